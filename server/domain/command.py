"""The commands of a worker's submission as values, checked and complete; what they do is decided by the engine."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from core.launchers import IdempotencyKey
from core.payload import Json


@dataclass(frozen=True, slots=True)
class RecordOperation:
    """The result of a side effect inside the workflow's code."""

    name: str
    result: Json


@dataclass(frozen=True, slots=True)
class SetState:
    """A key of the workflow's state gets a value."""

    key: str
    value: Json


@dataclass(frozen=True, slots=True)
class ClearState:
    """A key of the workflow's state goes."""

    key: str


@dataclass(frozen=True, slots=True)
class StartTimer:
    """A timer fires after ``duration_ms``; its id is unique within the workflow."""

    timer_id: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """A timer must not fire any more."""

    timer_id: str


@dataclass(frozen=True, slots=True)
class CreatePromise:
    """A promise that somebody will settle; the server gives it an id."""

    name: str
    timeout_ms: int | None
    key: IdempotencyKey | None = None


@dataclass(frozen=True, slots=True)
class ResolvePromise:
    """A promise of this workflow gets its value; it is named by its id or its name."""

    reference: str
    value: Json


@dataclass(frozen=True, slots=True)
class ScheduleTask:
    """A task under the worker's id; no queue means the workflow's."""

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
    """A child workflow under the worker's id; no queue means the workflow's. Without a kind it cannot start."""

    child_id: UUID
    name: str
    kind: str | None
    input: Json
    queue: str | None
    priority_seconds: int


@dataclass(frozen=True, slots=True)
class CancelChild:
    """A child is to be cancelled: the one of the id, if it is known, otherwise the one of the name."""

    child_id: UUID | None
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Suspend:
    """The activation waits for something outside; informational."""

    reason: str


@dataclass(frozen=True, slots=True)
class Complete:
    """The workflow returned."""

    output: Json


@dataclass(frozen=True, slots=True)
class Fail:
    """The workflow raised."""

    error: str
    stack_trace: str
    failure_type: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """The workflow ends itself as cancelled."""

    reason: str


Command = (
    RecordOperation
    | SetState
    | ClearState
    | StartTimer
    | CancelTimer
    | CreatePromise
    | ResolvePromise
    | ScheduleTask
    | ScheduleChild
    | CancelChild
    | Suspend
    | Complete
    | Fail
    | Cancel
)
