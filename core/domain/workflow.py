"""A workflow run: its states, its history, and what a worker's submission does to it.

Rules are those of the wire protocol ``flovyn.v1``: one contiguous counter of events per run; the
server numbers events itself; a run ends once, and whatever comes after is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from core.domain.command import Command
from core.domain.effects import Effects
from core.domain.payload import Json
from core.domain.workflow_event import Event, NewEvent


class RunStatus(StrEnum):
    """Stored status of a run."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    CANCELLING = "CANCELLING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_terminal(self) -> bool:
        """Whether the run has ended."""
        return self in _TERMINAL


_TERMINAL = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to start, with its first event."""

    tenant_id: UUID
    id: UUID
    kind: str
    queue: str
    input: Json
    priority_ms: int
    workflow_version: str | None
    metadata: Mapping[str, str]
    started: NewEvent


@dataclass(frozen=True, slots=True)
class PollSlot:
    """A waiting poller: one run of this queue is wanted; no kinds means any."""

    tenant_id: UUID
    queue: str
    worker_id: str
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimedRun:
    """A run as handed to a worker."""

    tenant_id: UUID
    id: UUID
    kind: str
    queue: str
    input: Json
    priority_ms: int
    workflow_version: str | None
    last_sequence: int
    created_at: datetime
    claimed_at: datetime


@dataclass(frozen=True, slots=True)
class RunState:
    """What decides how a run may go on, read under the run's lock.

    ``dispatched_sequence`` is the newest event when the run was last claimed, ``waking_sequence``
    the newest event from outside that wakes it: when the latter is higher, a worker that suspends
    the run may not have seen it.
    ``has_dependents`` tells that rows of other tables may have to be cleared up when the run ends.
    """

    tenant_id: UUID
    id: UUID
    kind: str
    queue: str
    status: RunStatus
    last_sequence: int
    dispatched_sequence: int
    waking_sequence: int
    has_dependents: bool = False


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
