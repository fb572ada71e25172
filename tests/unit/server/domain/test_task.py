"""Reports on tasks, and the steps that they cause."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import WrongState
from core.payload import Json
from server.domain.task import TaskOutcome, TaskReport, TaskState, TaskStatus, apply_report, usable_timeout

TENANT, TASK, WORKFLOW = UUID(int=1), UUID(int=2), UUID(int=3)


def _state(status: TaskStatus = TaskStatus.RUNNING, attempt: int = 1, retries: int = 0) -> TaskState:
    return TaskState(TENANT, TASK, WORKFLOW, "kind", "queue", status, attempt, retries)


def _report(outcome: TaskOutcome, attempt: int | None = None) -> TaskReport:
    return TaskReport(TENANT, TASK, outcome, Json("1"), "boom", attempt)


def test_a_completion_tells_the_workflow_under_the_key_that_every_worker_reads() -> None:
    """The result stands under ``output`` and nowhere else."""
    step = apply_report(_state(), _report(TaskOutcome.COMPLETED))
    assert step is not None
    assert step.event is not None
    assert (step.event.type, step.event.data) == ("TASK_COMPLETED", f'{{"taskExecutionId":"{TASK}","output":1}}')


def test_only_the_last_failure_tells_the_workflow() -> None:
    """A failure with retries left is no event of the workflow."""
    step = apply_report(_state(retries=1), _report(TaskOutcome.FAILED))
    assert step is not None
    assert (step.state.status, step.event) == (TaskStatus.PENDING, None)
    step = apply_report(_state(attempt=2, retries=1), _report(TaskOutcome.FAILED))
    assert step is not None
    assert step.event is not None
    data = f'{{"taskExecutionId":"{TASK}","error":"boom","retryable":false}}'
    assert (step.state.status, step.event.type, step.event.data) == (TaskStatus.FAILED, "TASK_FAILED", data)


@pytest.mark.parametrize("outcome", [TaskOutcome.CANCELLED, TaskOutcome.EXPIRED])
@pytest.mark.parametrize("status", [TaskStatus.PENDING, TaskStatus.RUNNING])
def test_cancelling_and_expiring_wake_the_workflow_with_a_failure(outcome: TaskOutcome, status: TaskStatus) -> None:
    """No worker takes TASK_CANCELLED for an end; and a deadline knows no retries."""
    step = apply_report(_state(status, retries=9), _report(outcome))
    assert step is not None
    assert step.event is not None
    assert (step.state.status.is_terminal, step.event.type) == (True, "TASK_FAILED")
    assert (step.ended is not None) == (status is TaskStatus.RUNNING)


def test_an_attempt_is_abandoned_only_while_it_is_running() -> None:
    """The worker's own report, or the next attempt, may have come first."""
    assert apply_report(_state(attempt=2, retries=9), _report(TaskOutcome.ABANDONED, 1)) is None
    assert apply_report(_state(TaskStatus.PENDING, retries=9), _report(TaskOutcome.ABANDONED, 1)) is None
    step = apply_report(_state(retries=9), _report(TaskOutcome.ABANDONED, 1))
    assert step is not None
    assert step.state.status is TaskStatus.PENDING


def test_time_outs_that_mean_none() -> None:
    """Unset, zero and less are no deadline; beyond ten years is ten years."""
    assert [usable_timeout(value) for value in (None, 0, -1, 1)] == [None, None, None, 1]
    assert usable_timeout(2**63 - 1) == usable_timeout(2**62)


@given(
    st.integers(0, 3),
    st.lists(st.one_of(st.just("claim"), st.sampled_from(TaskOutcome)), max_size=15),
)
def test_a_task_ends_once_and_never_has_too_many_attempts(retries: int, happenings: list[str]) -> None:
    """Over any sequence of claims and reports: one terminal event at most, and no state after the last."""
    state, events, ends = _state(TaskStatus.PENDING, 0, retries), 0, 0
    for happening in happenings:
        if happening == "claim":
            if state.status is TaskStatus.PENDING:
                state = TaskState(
                    TENANT, TASK, WORKFLOW, "kind", "queue", TaskStatus.RUNNING, state.attempt + 1, state.max_retries
                )
            continue
        try:
            step = apply_report(state, _report(TaskOutcome(happening), state.attempt))
        except WrongState:
            continue
        if step is not None:
            events += step.event is not None
            ends += step.state.status.is_terminal
            state = step.state
    assert events == ends == state.status.is_terminal
    assert state.attempt <= retries + 1
