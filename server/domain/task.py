"""A task: work outside of the deterministic workflow code, handed to a worker, retried, recorded once.

A task belongs to a workflow, or stands alone. What decides about it is pure: its states, and what a worker's
report, a deadline or a cancellation makes of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from core.errors import WrongState
from core.payload import Json, dump, json_object
from server.domain.claim import Claim
from server.domain.retry_policy import may_try_again
from server.domain.workflow_event import EventType, NewEvent

DEADLINE_EXCEEDED = "Task exceeded deadline"
LONGEST_TIMEOUT_MS = 10 * 365 * 24 * 3600 * 1000
"""Ten years; a longer time-out counts as this one."""


class TaskStatus(StrEnum):
    """Stored status of a task."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_terminal(self) -> bool:
        """Whether the task has ended."""
        return self in _TERMINAL


_TERMINAL = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to create, pending. A higher priority is served sooner; one below zero is the same as zero.

    ``timeout_ms`` is a deadline over all attempts, measured from the creation; None means none.
    ``scheduled_at`` holds the first attempt back until then; it does not go together with a priority.
    ``claim`` is that of a parked poller for which the first attempt is inserted; None means that the task is pending.
    """

    tenant_id: UUID
    id: UUID
    workflow_execution_id: UUID | None
    kind: str
    queue: str
    input: Json
    max_retries: int
    timeout_ms: int | None = None
    priority_ms: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)
    scheduled_at: datetime | None = None
    claim: Claim | None = None


def usable_timeout(timeout_ms: int | None) -> int | None:
    """Return the time-out as it is kept: zero, less and nothing mean none."""
    if timeout_ms is None or timeout_ms <= 0:
        return None
    return min(timeout_ms, LONGEST_TIMEOUT_MS)


@dataclass(frozen=True, slots=True)
class TaskSlot:
    """A waiting poller: one task of this queue is wanted."""

    tenant_id: UUID
    queue: str
    claim: Claim


@dataclass(frozen=True, slots=True)
class ClaimedTask:
    """A task as dispatched to a worker; ``attempt`` counts from 1."""

    tenant_id: UUID
    id: UUID
    workflow_execution_id: UUID | None
    kind: str
    queue: str
    input: Json
    attempt: int
    claim_id: UUID


def dispatched(task: NewTask, claim: Claim) -> ClaimedTask:
    """Return a new task as the poller of its claim gets it."""
    return ClaimedTask(
        tenant_id=task.tenant_id,
        id=task.id,
        workflow_execution_id=task.workflow_execution_id,
        kind=task.kind,
        queue=task.queue,
        input=task.input,
        attempt=1,
        claim_id=claim.id,
    )


@dataclass(frozen=True, slots=True)
class TaskState:
    """What decides how a task may go on, read under its lock; ``attempt`` is its newest, 0 before the first.

    ``held_by`` is the holder of a running task; ``former_holders`` had it before, of which a few are kept.
    """

    tenant_id: UUID
    id: UUID
    workflow_execution_id: UUID | None
    kind: str
    queue: str
    status: TaskStatus
    attempt: int
    max_retries: int
    held_by: str | None = None
    former_holders: Sequence[str] | None = None


class Verdict(StrEnum):
    """What is reported on a task."""

    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    """An attempt failed."""
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    """The deadline over all attempts has passed."""
    ABANDONED = "ABANDONED"
    """The worker of the running attempt is presumed dead."""


@dataclass(frozen=True, slots=True)
class TaskReport:
    """A report on a task, by its worker or by the server.

    ``attempt`` names the abandoned one; ``sent_by`` is the caller as a holder, None when nothing is known about it.
    """

    tenant_id: UUID
    task_id: UUID
    verdict: Verdict
    output: Json | None = None
    error: str | None = None
    attempt: int | None = None
    sent_by: str | None = None


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """How an attempt ended."""

    attempt: int
    status: TaskStatus
    error: str | None


@dataclass(frozen=True, slots=True)
class TaskStep:
    """What a report changes: the task's new state, the attempt that it ends, and the event for the task's run."""

    state: TaskState
    output: Json | None = None
    error: str | None = None
    ended: AttemptEnd | None = None
    event: NewEvent | None = None


def judge(state: TaskState, report: TaskReport) -> TaskStep | None:
    """Return what ``report`` does to a task in ``state``; None when it is known already or comes too late to matter.

    Raises:
        WrongState: the task has ended otherwise, no attempt was ever made that could be reported on, or a former holder
            reports on its own attempt while a newer one runs.
    """
    if report.verdict in (Verdict.COMPLETED, Verdict.FAILED) and _is_superseded(state, report.sent_by):
        raise superseded(state.id)
    match report.verdict:
        case Verdict.COMPLETED:
            return _complete(state, report)
        case Verdict.FAILED:
            return _fail(state, report)
        case Verdict.CANCELLED:
            return _cancel(state, report)
        case Verdict.EXPIRED:
            return None if state.status.is_terminal else _final(state, TaskStatus.FAILED, DEADLINE_EXCEEDED)
        case Verdict.ABANDONED:
            running = state.status is TaskStatus.RUNNING and state.attempt == report.attempt
            return _failed_attempt(state, report.error or "") if running else None


def _is_superseded(state: TaskState, sent_by: str | None) -> bool:
    """Return whether a report comes from a former holder while another one holds the task."""
    is_former = sent_by is not None and sent_by in (state.former_holders or ())
    return is_former and state.status is TaskStatus.RUNNING and sent_by != state.held_by


def superseded(task_id: UUID) -> WrongState:
    """Return the error for a worker whose attempt was ended and that is not the task's holder any more."""
    return WrongState(f"task {task_id} was given to another worker, because your attempt had ended; stop working on it")


def _complete(state: TaskState, report: TaskReport) -> TaskStep | None:
    if state.status is TaskStatus.COMPLETED:
        return None
    if state.attempt == 0 and state.former_holders:
        state = replace(state, attempt=1)  # it was released as if nobody had got it, and somebody had
    _must_be_attempted(state, "completed")
    data = json_object(taskExecutionId=dump(str(state.id)), output=report.output)
    return TaskStep(
        replace(state, status=TaskStatus.COMPLETED),
        output=report.output,
        ended=AttemptEnd(state.attempt, TaskStatus.COMPLETED, None),
        event=NewEvent(EventType.TASK_COMPLETED, data),
    )


def _fail(state: TaskState, report: TaskReport) -> TaskStep | None:
    if state.status is TaskStatus.FAILED:
        return None
    _must_be_attempted(state, "failed")
    if state.status is TaskStatus.PENDING:
        return None  # the attempt has been counted as failed, by this report's first copy or by the server
    return _failed_attempt(state, report.error or "")


def _cancel(state: TaskState, report: TaskReport) -> TaskStep | None:
    if state.status is TaskStatus.CANCELLED:
        return None
    if state.status.is_terminal:
        raise WrongState(f"task {state.id} is {state.status} and cannot be cancelled any more")
    return _final(state, TaskStatus.CANCELLED, report.error or "Task cancelled")


def _failed_attempt(state: TaskState, error: str) -> TaskStep:
    if not may_try_again(state.attempt, state.max_retries):
        return _final(state, TaskStatus.FAILED, error)
    end = AttemptEnd(state.attempt, TaskStatus.FAILED, error)
    return TaskStep(replace(state, status=TaskStatus.PENDING), error=error, ended=end)


def _final(state: TaskState, status: TaskStatus, error: str) -> TaskStep:
    """End the task without success: workers wait for TASK_FAILED, whatever the reason."""
    running = state.status is TaskStatus.RUNNING
    data = json_object(taskExecutionId=dump(str(state.id)), error=dump(error), retryable=Json("false"))
    return TaskStep(
        replace(state, status=status),
        error=error,
        ended=AttemptEnd(state.attempt, status, error) if running else None,
        event=NewEvent(EventType.TASK_FAILED, data),
    )


def _must_be_attempted(state: TaskState, action: str) -> None:
    """Refuse reports on tasks that have ended or were never handed out; a worker presumed dead may still report."""
    if state.status.is_terminal or state.attempt == 0:
        raise WrongState(f"task {state.id} is {state.status}; only a running task can be {action}")
