"""The step that a submission causes."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import WrongState
from core.payload import NULL, Json
from server.domain.submission import Command, Submission, SubmissionOutcome
from server.domain.workflow import WorkflowState, WorkflowStatus
from server.engine.submission.commands import decide
from server.engine.submission.endings import completed, failed
from server.engine.submission.family import Known
from server.engine.submission.operations import RecordOperation
from server.engine.submission.tasks import TASKS, ScheduleTask
from server.engine.submission.timers import TIMERS, StartTimer

TENANT, WORKFLOW = UUID(int=1), UUID(int=2)
EVENT = RecordOperation("op", NULL)


def _state(
    status: WorkflowStatus = WorkflowStatus.RUNNING, last: int = 3, dispatched: int = 3, waking: int = 0
) -> WorkflowState:
    return WorkflowState(TENANT, WORKFLOW, "k", "q", status, last, dispatched, waking)


def _submit(state: WorkflowState, submission: Submission) -> tuple[WorkflowStatus, list[tuple[int, str]]] | None:
    step = decide(state, submission, Known())
    return None if step is None else (step.state.status, [(event.sequence, event.type) for event in step.events])


@pytest.mark.parametrize("status", [WorkflowStatus.COMPLETED, WorkflowStatus.FAILED, WorkflowStatus.CANCELLED])
@pytest.mark.parametrize("outcome", SubmissionOutcome)
def test_an_ended_workflow_ignores_everything(status: WorkflowStatus, outcome: SubmissionOutcome) -> None:
    """A late duplicate changes nothing, whatever it says."""
    assert _submit(_state(status), Submission(TENANT, WORKFLOW, (EVENT,), outcome, completed(NULL))) is None


def test_events_are_numbered_on_from_the_last() -> None:
    """The server numbers events, contiguous, the terminal one last."""
    submission = Submission(TENANT, WORKFLOW, (EVENT, EVENT), SubmissionOutcome.COMPLETED, completed(Json("1")))
    assert _submit(_state(), submission) == (
        WorkflowStatus.COMPLETED,
        [(4, "OPERATION_COMPLETED"), (5, "OPERATION_COMPLETED"), (6, "WORKFLOW_COMPLETED")],
    )


def test_suspending_waits_when_everything_was_seen() -> None:
    """Nothing from outside since the claim: the workflow waits."""
    assert _submit(_state(), Submission(TENANT, WORKFLOW, (), SubmissionOutcome.SUSPENDED)) == (
        WorkflowStatus.WAITING,
        [],
    )


def test_suspending_goes_round_again_when_an_event_may_be_unseen() -> None:
    """An event from outside after the claim must not be slept through (protocol 2.5.4)."""
    state = _state(last=5, dispatched=4, waking=5)
    assert _submit(state, Submission(TENANT, WORKFLOW, (), SubmissionOutcome.SUSPENDED)) == (WorkflowStatus.PENDING, [])


@pytest.mark.parametrize("commands", [(), (StartTimer("t", 0),)])
@pytest.mark.parametrize("before", [False, True])
def test_a_workflow_that_had_dependents_has_them_still(commands: tuple[Command, ...], before: bool) -> None:  # noqa: FBT001
    """A timer of an earlier submission is cleared up at the end, although the last submission starts none."""
    state = replace(_state(), has_dependents=before)
    step = decide(state, Submission(TENANT, WORKFLOW, commands, SubmissionOutcome.COMPLETED, completed(NULL)), Known())
    assert step is not None
    assert step.state.has_dependents == (before or bool(commands))


def test_a_command_that_was_carried_out_before_changes_nothing() -> None:
    """It may have been so by an earlier submission, by one of the same batch, or by the same submission."""
    known, start = Known(), StartTimer("t", 5)
    first = decide(_state(), Submission(TENANT, WORKFLOW, (start, start), SubmissionOutcome.RUNNING), known)
    again = decide(_state(), Submission(TENANT, WORKFLOW, (start,), SubmissionOutcome.RUNNING), known)
    assert first is not None
    assert again is not None
    assert [[event.type for event in step.events] for step in (first, again)] == [["TIMER_STARTED"], []]
    assert (bool(first.effects), bool(again.effects)) == (True, False)


def test_a_refused_submission_leaves_nothing_known() -> None:
    """Its timer does not exist: a later submission of the batch starts it."""
    known, start = Known(), StartTimer("t", 5)
    task = ScheduleTask(UUID(int=7), "k", NULL, None, 0, None, 0)
    known.of(TASKS)[TENANT, task.task_id] = (UUID(int=8), "k")
    with pytest.raises(WrongState):
        decide(_state(), Submission(TENANT, WORKFLOW, (start, task), SubmissionOutcome.RUNNING), known)
    step = decide(_state(), Submission(TENANT, WORKFLOW, (start,), SubmissionOutcome.RUNNING), known)
    assert step is not None
    assert [event.type for event in step.events] == ["TIMER_STARTED"]


def test_a_history_that_would_be_too_large_fails_the_workflow_without_its_commands() -> None:
    """No event and no effect of the submission is written, and nothing of it is known."""
    known = Known()
    submission = Submission(TENANT, WORKFLOW, (EVENT, StartTimer("t", 5)), SubmissionOutcome.SUSPENDED)
    step = decide(_state(), submission, known, max_history=10)
    assert step is not None
    assert (step.state.status, [event.type for event in step.events]) == (
        WorkflowStatus.FAILED,
        ["WORKFLOW_EXECUTION_FAILED"],
    )
    assert (bool(step.effects), dict(known.of(TIMERS))) == (False, {})


def test_the_outcome_wins_over_a_command_that_disagrees() -> None:
    """Status FAILED with a complete command is a failure with a made-up event."""
    submission = Submission(TENANT, WORKFLOW, (), SubmissionOutcome.FAILED, completed(NULL))
    assert _submit(_state(), submission) == (WorkflowStatus.FAILED, [(4, "WORKFLOW_EXECUTION_FAILED")])


def test_a_suspension_ignores_a_terminal_command() -> None:
    """The outcome decides the transition; the command would only have supplied its data."""
    submission = Submission(TENANT, WORKFLOW, (EVENT,), SubmissionOutcome.SUSPENDED, failed("x", "", ""))
    assert _submit(_state(), submission) == (WorkflowStatus.WAITING, [(4, "OPERATION_COMPLETED")])


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(SubmissionOutcome)), max_size=12))
def test_numbers_stay_contiguous_and_a_workflow_ends_once(submissions: list[tuple[int, SubmissionOutcome]]) -> None:
    """Over any sequence of submissions, events are numbered 1..n and at most one is terminal."""
    state, history = _state(last=1), [1]
    terminal = 0
    for count, outcome in submissions:
        step = decide(state, Submission(TENANT, WORKFLOW, (EVENT,) * count, outcome), Known())
        if step is not None:
            history += [event.sequence for event in step.events]
            terminal += step.state.status.is_terminal
            state = step.state
    assert history == list(range(1, len(history) + 1))
    assert state.last_sequence == len(history)
    assert terminal <= 1
