"""Notes: progress, heartbeats, log lines and state that a worker sends while its task runs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from core.errors import InvalidInput
from core.payload import Json


class LogLevel(StrEnum):
    """The severity of a log line."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


def log_level(text: str) -> LogLevel:
    """Return the level of this name, in upper or lower case; INFO for an unknown name, so that no line is lost."""
    return LogLevel[text.upper()] if text.upper() in LogLevel.__members__ else LogLevel.INFO


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a task, from 0.0 to 1.0, with optional free text; ``sent_by`` as in ``Heartbeat``."""

    tenant_id: UUID
    task_id: UUID
    progress: float
    details: str | None
    sent_by: str | None = None


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A heartbeat of a task. ``sent_by`` is the caller as a holder; None if it does not identify the worker."""

    tenant_id: UUID
    task_id: UUID
    sent_by: str | None = None


def checked_progress(value: float) -> float:
    """Return ``value`` if it is a valid progress.

    Raises:
        InvalidInput: the value is not from 0.0 to 1.0.
    """
    if not 0.0 <= value <= 1.0:  # NaN is refused, too: each comparison with it is false
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
    """The key of an entry of a task's state."""

    tenant_id: UUID
    task_id: UUID
    key: str


@dataclass(frozen=True, slots=True)
class StateEntry(StateKey):
    """An entry of a task's state, which later attempts can read."""

    value: Json
