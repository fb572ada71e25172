"""A worker's report on one activation of a run, how runs end, and what either changes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from core.domain.command import Command
from core.domain.effects import Effects
from core.domain.payload import Json
from core.domain.workflow import RunState, RunStatus
from core.domain.workflow_event import Event, NewEvent


class Outcome(StrEnum):
    """What a worker says its activation came to."""

    RUNNING = "RUNNING"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ends: its terminal event and what is kept on the run itself."""

    status: RunStatus
    event: NewEvent
    output: Json | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """A worker's report on one activation: its commands in order, up to the first terminal one, and the outcome.

    ``ending`` is what that terminal command said, if there was one; ``weight`` the submission's size in bytes.
    """

    tenant_id: UUID
    run_id: UUID
    commands: tuple[Command, ...]
    outcome: Outcome
    ending: Ending | None = None
    weight: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """What a submission or an event from outside changes: numbered events and the run's new state."""

    state: RunState
    events: tuple[Event, ...]
    output: Json | None = None
    error: str | None = None
    effects: Effects | None = None
