"""The commands of a submission as checked values. ``server.engine.submission`` decides their effects."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from core.launchers import IdempotencyKey
from core.payload import Json


@dataclass(frozen=True, slots=True)
class RecordOperation:
    """Record the result of a side effect of the workflow's code."""

    name: str
    result: Json


@dataclass(frozen=True, slots=True)
class SetState:
    """Set a key of the workflow's state."""

    key: str
    value: Json


@dataclass(frozen=True, slots=True)
class ClearState:
    """Remove a key of the workflow's state."""

    key: str


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Start a timer that fires after ``duration_ms``; its id is unique within the workflow."""

    timer_id: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Cancel a timer that has not fired."""

    timer_id: str


@dataclass(frozen=True, slots=True)
class CreatePromise:
    """Create a promise, to which the server gives an id."""

    name: str
    timeout_ms: int | None
    key: IdempotencyKey | None = None


@dataclass(frozen=True, slots=True)
class ResolvePromiseCommand:
    """Resolve a promise of the same workflow; ``reference`` is its id or its name."""

    reference: str
    value: Json


@dataclass(frozen=True, slots=True)
class ScheduleTask:
    """Schedule a task with the id that the worker made; None as queue means the workflow's queue."""

    task_id: UUID
    kind: str
    input: Json
    queue: str | None
    max_retries: int
    timeout_ms: int | None
    priority_seconds: int
    key: IdempotencyKey | None = None


@dataclass(frozen=True, slots=True)
class ScheduleChild:
    """Start a child workflow with the id that the worker made; None as queue means the workflow's queue.

    A child without a kind cannot start.
    """

    child_id: UUID
    name: str
    kind: str | None
    input: Json
    queue: str | None
    priority_seconds: int


@dataclass(frozen=True, slots=True)
class CancelChild:
    """Cancel a child: the one with the id, or the one with the name if ``child_id`` is None."""

    child_id: UUID | None
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Suspend:
    """Tell why the workflow waits; the command changes nothing else."""

    reason: str


@dataclass(frozen=True, slots=True)
class Complete:
    """Complete the workflow."""

    output: Json


@dataclass(frozen=True, slots=True)
class Fail:
    """Fail the workflow."""

    error: str
    stack_trace: str
    failure_type: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """End the workflow as cancelled."""

    reason: str


Command = (
    RecordOperation
    | SetState
    | ClearState
    | StartTimer
    | CancelTimer
    | CreatePromise
    | ResolvePromiseCommand
    | ScheduleTask
    | ScheduleChild
    | CancelChild
    | Suspend
    | Complete
    | Fail
    | Cancel
)
