"""What a worker notes while its task runs: progress, heartbeats, log lines, and state for later attempts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from core.errors import InvalidInput
from core.payload import Json


class LogLevel(StrEnum):
    """How important a log line is."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


def log_level(text: str) -> LogLevel:
    """Return the level that a worker named, in any case; an unknown one counts as INFO, so that no line is lost."""
    return LogLevel[text.upper()] if text.upper() in LogLevel.__members__ else LogLevel.INFO


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a task, from 0.0 to 1.0; ``details`` is free text, None for none; ``sent_by`` as in ``Beat``."""

    tenant_id: UUID
    task_id: UUID
    progress: float
    details: str | None
    sent_by: str | None = None


@dataclass(frozen=True, slots=True)
class Beat:
    """A task's sign of life; ``sent_by`` is the caller as a holder, None when nothing is known about it."""

    tenant_id: UUID
    task_id: UUID
    sent_by: str | None = None


def checked_progress(value: float) -> float:
    """Return the progress.

    Raises:
        InvalidInput: it is not from 0.0 to 1.0.
    """
    if not 0.0 <= value <= 1.0:  # false for NaN, too
        raise InvalidInput(f"progress is {value}; it must be from 0.0 to 1.0")
    return value


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a task's log."""

    tenant_id: UUID
    task_id: UUID
    level: LogLevel
    message: str


@dataclass(frozen=True, slots=True)
class StateKey:
    """The name of something that a task keeps."""

    tenant_id: UUID
    task_id: UUID
    key: str


@dataclass(frozen=True, slots=True)
class StateEntry(StateKey):
    """Something that a task keeps for its later attempts."""

    value: Json
