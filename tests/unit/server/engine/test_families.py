"""The families of commands: their events and effects, and what a repeated or impossible command does."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from core.errors import WrongState
from core.launchers import IdempotencyKey
from core.payload import NULL, Json
from server.domain.child import MAX_DEPTH
from server.domain.submission import Command, Submission, SubmissionOutcome, WorkflowStep
from server.domain.workflow import WorkflowState, WorkflowStatus
from server.engine.submission.children import CHILDREN, CancelChild, ScheduleChild
from server.engine.submission.commands import decide
from server.engine.submission.endings import ENDINGS
from server.engine.submission.families import EFFECT_KINDS, FAMILIES, HANDLERS
from server.engine.submission.family import Known
from server.engine.submission.promises import PROMISES, CreatePromise, KnownPromise, ResolvePromiseCommand
from server.engine.submission.tasks import ScheduleTask
from server.engine.submission.timers import CancelTimer, StartTimer

TENANT, WORKFLOW, CHILD = UUID(int=1), UUID(int=2), UUID(int=3)
KEY = (TENANT, WORKFLOW)


def _decide(*commands: Command, known: Known | None = None, depth: int = 0) -> WorkflowStep:
    state = WorkflowState(TENANT, WORKFLOW, "k", "q", WorkflowStatus.RUNNING, 1, 1, 0, depth=depth)
    step = decide(state, Submission(TENANT, WORKFLOW, commands, SubmissionOutcome.SUSPENDED), known or Known())
    assert step is not None
    return step


def _types(step: WorkflowStep) -> list[str]:
    return [event.type for event in step.events]


def test_every_command_has_one_handler_or_is_an_end() -> None:
    """A family that is not listed would fail its first submission."""
    defined = {each.__name__ for each in Command.__subclasses__()}  # slots make a class twice
    assert defined == {each.__name__ for each in (*HANDLERS, *ENDINGS)}
    assert not set(HANDLERS) & set(ENDINGS)
    assert len(HANDLERS) == sum(len(family.handlers) for family in FAMILIES)
    assert len(set(EFFECT_KINDS)) == len(EFFECT_KINDS)


def test_commands_that_are_looked_up_belong_to_their_family() -> None:
    """And a family that looks rows up says for which commands."""
    for family in FAMILIES:
        assert set(family.looked_up) <= set(family.handlers)
        assert bool(family.looked_up) == (family.look_up is not None)


def test_a_timer_that_has_not_fired_can_be_cancelled_once() -> None:
    """A timer that is missing or was cancelled is left alone."""
    step = _decide(CancelTimer("t"), StartTimer("t", 5), CancelTimer("t"), CancelTimer("t"))
    assert _types(step) == ["TIMER_STARTED", "TIMER_CANCELLED"]


def test_the_oldest_pending_promise_of_a_name_is_resolved() -> None:
    """By its name or its id; a promise that is settled already is left alone."""
    known, ids = Known(), [UUID(int=number) for number in (10, 11, 12)]
    promises = [KnownPromise(ids[0], "p", pending=False), KnownPromise(ids[1], "p"), KnownPromise(ids[2], "p")]
    known.of(PROMISES)[KEY] = tuple(promises)
    step = _decide(
        ResolvePromiseCommand(str(ids[0]), NULL),
        ResolvePromiseCommand("p", Json("1")),
        ResolvePromiseCommand(str(ids[2]), NULL),
        known=known,
    )
    assert [json.loads(event.data)["promiseId"] for event in step.events] == [str(ids[1]), str(ids[2])]
    assert [promise.pending for promise in known.of(PROMISES)[KEY]] == [False, False, False]


def test_a_promise_of_the_same_submission_can_be_resolved() -> None:
    """And two promises of one name are two promises."""
    step = _decide(CreatePromise("p", None), CreatePromise("p", 5), ResolvePromiseCommand("p", NULL))
    assert _types(step) == ["PROMISE_CREATED", "PROMISE_CREATED", "PROMISE_RESOLVED"]
    first, second, settled = [json.loads(event.data) for event in step.events]
    assert settled["promiseId"] == first["promiseId"] != second["promiseId"]
    assert ("timeoutMs" in first, second["timeoutMs"]) == (False, 5)


def test_a_task_of_another_kind_under_the_same_id_is_refused() -> None:
    """Workers derive ids: the second command is a mistake of the worker."""
    task = ScheduleTask(UUID(int=7), "k", NULL, None, 0, None, 2)
    step = _decide(task, task)
    assert _types(step) == ["TASK_SCHEDULED"]
    assert json.loads(step.events[0].data)["queue"] == "q"
    with pytest.raises(WrongState, match="another task"):
        _decide(task, ScheduleTask(UUID(int=7), "other", NULL, None, 0, None, 0))


def test_keys_are_claimed_for_promises_and_tasks() -> None:
    """In one statement for both."""
    key = IdempotencyKey("x")
    step = _decide(CreatePromise("p", None, key), ScheduleTask(UUID(int=7), "k", NULL, None, 0, None, 0, key))
    assert step.effects is not None
    assert sorted(len(items) for _, items in step.effects.items()) == [1, 1, 2]


def _child(kind: str | None = "k") -> ScheduleChild:
    return ScheduleChild(CHILD, "c", kind, NULL, None, 1)


def test_a_child_is_started_once() -> None:
    """A repeated command changes nothing; the child is one level deeper."""
    step = _decide(_child(), _child())
    assert _types(step) == ["CHILD_WORKFLOW_INITIATED"]
    assert step.effects is not None
    ((_, [workflow]),) = step.effects.items()
    assert (workflow.id, workflow.depth, workflow.queue) == (CHILD, 1, "q")


@pytest.mark.parametrize("problem", ["no kind", "too deep", "taken id"])
def test_a_child_that_cannot_start_fails_and_wakes_its_parent(problem: str) -> None:
    """The parent gets the failure as an event that it has not seen: it must not wait for the child."""
    known = Known()
    if problem == "taken id":
        known.of(CHILDREN)[TENANT, CHILD] = UUID(int=99)
    step = _decide(
        _child(None if problem == "no kind" else "k"), known=known, depth=MAX_DEPTH if problem == "too deep" else 0
    )
    assert _types(step) == ["CHILD_WORKFLOW_INITIATED", "CHILD_WORKFLOW_FAILED"]
    assert (step.state.status, bool(step.effects)) == (WorkflowStatus.PENDING, False)


def test_a_request_to_cancel_a_child_is_an_effect_without_an_event() -> None:
    """The child hears of it later; a reason is made up if there is none."""
    step = _decide(CancelChild(None, "c", ""))
    assert step.events == ()
    assert step.effects is not None
    ((_, [request]),) = step.effects.items()
    assert (request.parent_id, request.reason) == (WORKFLOW, "the parent asked for it")
