"""Task executions: their states, and the pure rules that apply reports, deadlines and cancellations to them.

A task runs outside of the deterministic workflow code. It belongs to a workflow or to an agent, or is standalone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from core.errors import WrongState
from core.payload import Json, dump, json_object
from core.tracing import OpenSpan
from server.domain.claim import Claim
from server.domain.workflow_event import EventType, NewEvent

DEADLINE_EXCEEDED = "Task timed out: deadline exceeded"
"""Workers look for the words "timed out"."""
LONGEST_TIMEOUT_MS = 10 * 365 * 24 * 3600 * 1000
"""Ten years; a longer timeout is cut to this one."""


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
    """A task to insert.

    Attributes:
        timeout_ms: the deadline over all attempts, measured from the creation; None means no deadline.
        priority_ms: a task with a higher priority is claimed sooner; a negative priority equals zero.
        scheduled_at: the earliest start of the first attempt; such a task has no priority.
        claim: the claim of the parked poller that gets the first attempt; None for a pending task.
        trace: the stored context of the span that created it (``core.tracing``); None without a tracer.
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
    agent_execution_id: UUID | None = None
    trace: str | None = None


def usable_timeout(timeout_ms: int | None) -> int | None:
    """Return the timeout to store; zero, a negative number and None mean no timeout."""
    if timeout_ms is None or timeout_ms <= 0:
        return None
    return min(timeout_ms, LONGEST_TIMEOUT_MS)


@dataclass(frozen=True, slots=True)
class TaskSlot:
    """A poll for one task of a queue."""

    tenant_id: UUID
    queue: str
    claim: Claim


@dataclass(frozen=True, slots=True)
class ClaimedTask:
    """A claimed task, as its worker gets it; ``attempt`` counts from 1."""

    tenant_id: UUID
    id: UUID
    workflow_execution_id: UUID | None
    kind: str
    queue: str
    input: Json
    attempt: int
    claim_id: UUID
    trace: str | None = None


def dispatched(task: NewTask, claim: Claim) -> ClaimedTask:
    """Return a new task as claimed by ``claim``, in its first attempt."""
    return ClaimedTask(
        tenant_id=task.tenant_id,
        id=task.id,
        workflow_execution_id=task.workflow_execution_id,
        kind=task.kind,
        queue=task.queue,
        input=task.input,
        attempt=1,
        claim_id=claim.id,
        trace=task.trace,
    )


@dataclass(frozen=True, slots=True)
class TaskState:
    """The state of a task, read under its row lock.

    Attributes:
        attempt: the number of the newest attempt; 0 before the first.
        held_by: the holder of a running task.
        former_holders: the last few holders before the present one.
        age: seconds from its creation to the lock.
        attempt_age: seconds from the newest claim to the lock; None before the first claim.
        trace: the stored context of the span that created it (``core.tracing``).
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
    agent_execution_id: UUID | None = None
    age: float = 0.0
    attempt_age: float | None = None
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class CancelledTask:
    """A task that was cancelled because its workflow or agent was; the ages are those of ``TaskState``."""

    tenant_id: UUID
    id: UUID
    workflow_execution_id: UUID | None
    agent_execution_id: UUID | None
    kind: str
    queue: str
    attempt: int
    was_running: bool
    age: float
    attempt_age: float | None
    trace: str | None


class TaskOutcome(StrEnum):
    """The outcome that is reported for a task or for an attempt."""

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

    Attributes:
        attempt: the abandoned attempt; None for all other outcomes.
        sent_by: the caller as a holder; None if its connection does not identify its worker.
        span: the span of the call; None without a tracer.
    """

    tenant_id: UUID
    task_id: UUID
    outcome: TaskOutcome
    output: Json | None = None
    error: str | None = None
    attempt: int | None = None
    sent_by: str | None = None
    span: OpenSpan | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """The end of one attempt."""

    attempt: int
    status: TaskStatus
    error: str | None


@dataclass(frozen=True, slots=True)
class TaskStep:
    """The change that a report causes: the new state, the ended attempt, and the event for the task's workflow.

    ``ended_in_claim`` is the claim number of the task's agent when the task ended.
    """

    state: TaskState
    output: Json | None = None
    error: str | None = None
    ended: AttemptEnd | None = None
    event: NewEvent | None = None
    ended_in_claim: int | None = None


def apply_report(state: TaskState, report: TaskReport) -> TaskStep | None:
    """Return the step that ``report`` causes; None if the report is a repetition or comes too late to matter.

    Raises:
        WrongState: the task has ended with another outcome, or has no attempt to report on, or a former holder reports
            while the present holder runs a newer attempt.
    """
    if report.outcome in (TaskOutcome.COMPLETED, TaskOutcome.FAILED) and _is_superseded(state, report.sent_by):
        raise superseded(state.id)
    match report.outcome:
        case TaskOutcome.COMPLETED:
            return _complete(state, report)
        case TaskOutcome.FAILED:
            return _fail(state, report)
        case TaskOutcome.CANCELLED:
            return _cancel(state, report)
        case TaskOutcome.EXPIRED:
            return None if state.status.is_terminal else _final(state, TaskStatus.FAILED, DEADLINE_EXCEEDED)
        case TaskOutcome.ABANDONED:
            running = state.status is TaskStatus.RUNNING and state.attempt == report.attempt
            return _failed_attempt(state, report.error or "") if running else None


def _is_superseded(state: TaskState, sent_by: str | None) -> bool:
    """Return whether the report comes from a former holder while another holder runs the task."""
    is_former = sent_by is not None and sent_by in (state.former_holders or ())
    return is_former and state.status is TaskStatus.RUNNING and sent_by != state.held_by


def superseded(task_id: UUID) -> WrongState:
    """Return the error for a former holder of a task."""
    return WrongState(
        f"task {task_id} was dispatched to another worker, because your attempt had ended; stop working on it"
    )


def _complete(state: TaskState, report: TaskReport) -> TaskStep | None:
    if state.status is TaskStatus.COMPLETED:
        return None
    if state.attempt == 0 and state.former_holders:
        state = replace(state, attempt=1)  # the task was released as undelivered, but a worker had received it
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
        return None  # the attempt is already counted as failed: by a first copy of this report, or by the reaper
    return _failed_attempt(state, report.error or "")


def _cancel(state: TaskState, report: TaskReport) -> TaskStep | None:
    if state.status is TaskStatus.CANCELLED:
        return None
    if state.status.is_terminal:
        raise WrongState(f"task {state.id} is {state.status} and cannot be cancelled")
    return _final(state, TaskStatus.CANCELLED, report.error or "Task cancelled")


def may_retry(attempts: int, max_retries: int) -> bool:
    """Return whether a task gets another attempt after ``attempts`` failed ones; 3 retries allow 4 attempts."""
    return attempts <= max_retries


def _failed_attempt(state: TaskState, error: str) -> TaskStep:
    if not may_retry(state.attempt, state.max_retries):
        return _final(state, TaskStatus.FAILED, error)
    end = AttemptEnd(state.attempt, TaskStatus.FAILED, error)
    return TaskStep(replace(state, status=TaskStatus.PENDING), error=error, ended=end)


def _final(state: TaskState, status: TaskStatus, error: str) -> TaskStep:
    """Return the end of a task without success. Its event is always TASK_FAILED: workers wait for this one."""
    running = state.status is TaskStatus.RUNNING
    data = json_object(taskExecutionId=dump(str(state.id)), error=dump(error), retryable=Json("false"))
    return TaskStep(
        replace(state, status=status),
        error=error,
        ended=AttemptEnd(state.attempt, status, error) if running else None,
        event=NewEvent(EventType.TASK_FAILED, data),
    )


def _must_be_attempted(state: TaskState, action: str) -> None:
    """Refuse reports on tasks that have ended or have no attempt.

    A PENDING task with an attempt is accepted: its worker was presumed dead and reports late.
    """
    if state.status.is_terminal or state.attempt == 0:
        raise WrongState(f"task {state.id} is {state.status}; only a running task can be {action}")
