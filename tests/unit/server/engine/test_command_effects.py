"""The event of each command, as workers read it in the history, and the rows that it writes."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from core.launchers import IdempotencyKey
from core.payload import Json
from server.domain.idempotency import Entity, KeyClaim
from server.domain.submission import Command, Submission, SubmissionOutcome, WorkflowStep
from server.domain.workflow import WorkflowState, WorkflowStatus
from server.engine.submission.children import CancelChild, ScheduleChild
from server.engine.submission.commands import decide, submission
from server.engine.submission.endings import Cancel, Complete, Fail
from server.engine.submission.family import Known
from server.engine.submission.operations import ClearState, RecordOperation, SetState, Suspend
from server.engine.submission.promises import PROMISES, CreatePromise, KnownPromise, ResolvePromiseCommand
from server.engine.submission.tasks import ScheduleTask
from server.engine.submission.timers import CancelTimer, StartTimer

TENANT, WORKFLOW, ENTITY = UUID(int=1), UUID(int=2), UUID(int=3)
STATE = WorkflowState(TENANT, WORKFLOW, "k", "q", WorkflowStatus.RUNNING, 1, 1, 0)
KEY = IdempotencyKey("x")
ONE = Json("1")


def _step(*commands: Command, known: Known | None = None, **of_submission: Any) -> WorkflowStep:
    submitted = Submission(TENANT, WORKFLOW, commands, SubmissionOutcome.RUNNING, **of_submission)
    step = decide(STATE, submitted, known or Known())
    assert step is not None
    return step


def _effects(step: WorkflowStep) -> list[Any]:
    return [] if step.effects is None else [item for _, items in step.effects.items() for item in items]


@pytest.mark.parametrize(
    ("command", "event", "data"),
    [
        (RecordOperation("op", ONE), "OPERATION_COMPLETED", {"operationName": "op", "result": 1}),
        (SetState("s", ONE), "STATE_SET", {"key": "s", "value": 1}),
        (ClearState("s"), "STATE_CLEARED", {"key": "s"}),
        (Suspend("sleep"), "WORKFLOW_SUSPENDED", {"reason": "sleep"}),
        (StartTimer("t", 5), "TIMER_STARTED", {"timerId": "t", "durationMs": 5}),
        (
            ScheduleTask(ENTITY, "task", ONE, "other", 2, 7, 3),
            "TASK_SCHEDULED",
            {"kind": "task", "taskExecutionId": str(ENTITY), "input": 1, "queue": "other", "maxRetries": 2, "timeoutMs": 7},
        ),
        (
            ScheduleChild(ENTITY, "c", "child", ONE, "other", 3),
            "CHILD_WORKFLOW_INITIATED",
            {"childExecutionName": "c", "childExecutionId": str(ENTITY), "childWorkflowKind": "child", "input": 1, "queue": "other"},
        ),
    ],
)  # fmt: skip
def test_a_command_has_an_event_with_what_workers_replay(command: Command, event: str, data: dict[str, Any]) -> None:
    (found,) = _step(command).events
    assert (found.sequence, found.type) == (2, event)
    assert data.items() <= json.loads(found.data).items()


@pytest.mark.parametrize("command", [RecordOperation("op", ONE), SetState("s", ONE), ClearState("s"), Suspend("x")])
def test_an_operation_writes_no_row_beside_its_event(command: Command) -> None:
    assert _effects(_step(command)) == []


def test_a_timer_is_written_for_its_workflow_and_its_key_cancels_it() -> None:
    timer, key = _effects(_step(StartTimer("t", 5), CancelTimer("t")))
    assert (timer.key, timer.duration_ms) == ((TENANT, WORKFLOW, "t"), 5)
    assert key == timer.key


def test_a_task_is_written_for_its_workflow_after_the_claim_of_its_key() -> None:
    claim, task = sorted(
        _effects(_step(ScheduleTask(ENTITY, "task", ONE, None, 2, 7, 3, KEY))), key=lambda each: type(each).__name__
    )
    assert claim == KeyClaim(TENANT, KEY, Entity.TASK, ENTITY)
    assert (task.tenant_id, task.id, task.workflow_execution_id, task.kind) == (TENANT, ENTITY, WORKFLOW, "task")
    assert (task.queue, task.input, task.max_retries, task.timeout_ms, task.priority_ms) == ("q", ONE, 2, 7, 3000)


def test_a_promise_is_written_for_its_workflow_after_the_claim_of_its_key() -> None:
    step = _step(CreatePromise("p", 5, KEY))
    claim, promise = sorted(_effects(step), key=lambda each: type(each).__name__)
    assert (promise.tenant_id, promise.workflow_id, promise.name, promise.timeout_ms) == (TENANT, WORKFLOW, "p", 5)
    assert claim == KeyClaim(TENANT, KEY, Entity.PROMISE, promise.id)
    assert json.loads(step.events[0].data) == {"promiseId": str(promise.id), "promiseName": "p", "timeoutMs": 5}


def test_a_resolved_promise_is_settled_with_the_value_of_its_event() -> None:
    known = Known()
    known.of(PROMISES)[TENANT, WORKFLOW] = (KnownPromise(ENTITY, "p"),)
    step = _step(ResolvePromiseCommand("p", ONE), known=known)
    (settlement,) = _effects(step)
    assert (settlement.tenant_id, settlement.promise_id, settlement.outcome.value) == (TENANT, ENTITY, ONE)
    assert json.loads(step.events[0].data) == {"promiseId": str(ENTITY), "promiseName": "p", "value": 1}


def test_a_child_is_written_with_its_parent_and_its_first_event() -> None:
    (child,) = _effects(_step(ScheduleChild(ENTITY, "c", "child", ONE, None, 3)))
    assert (child.tenant_id, child.id, child.parent_id, child.child_name) == (TENANT, ENTITY, WORKFLOW, "c")
    assert (child.kind, child.queue, child.input, child.priority_ms) == ("child", "q", ONE, 3000)
    assert json.loads(child.started.data) == {
        "input": 1,
        "workflowKind": "child",
        "parentWorkflowExecutionId": str(WORKFLOW),
    }


@pytest.mark.parametrize(("child_id", "reason"), [(ENTITY, "enough"), (None, "enough")])
def test_a_request_to_cancel_a_child_names_the_parent_that_makes_it(child_id: UUID | None, reason: str) -> None:
    (request,) = _effects(_step(CancelChild(child_id, "c", reason)))
    assert (request.tenant_id, request.parent_id, request.child_id, request.name) == (TENANT, WORKFLOW, child_id, "c")
    assert (request.reason, request.requested_by) == (reason, f"workflow:{WORKFLOW}")


@pytest.mark.parametrize(
    ("command", "event", "data", "result"),
    [
        (Complete(ONE), "WORKFLOW_COMPLETED", {"output": 1}, (WorkflowStatus.COMPLETED, ONE, None)),
        (
            Fail("e", "trace", "T"),
            "WORKFLOW_EXECUTION_FAILED",
            {"error": "e", "stackTrace": "trace", "failureType": "T"},
            (WorkflowStatus.FAILED, None, "e"),
        ),
        (Cancel("why"), "WORKFLOW_CANCELLED", {"reason": "why"}, (WorkflowStatus.CANCELLED, None, "why")),
    ],
)
def test_an_end_has_its_event_and_its_result(command: Command, event: str, data: dict[str, Any], result: Any) -> None:
    """Commands behind the end are ignored."""
    submitted = submission(TENANT, WORKFLOW, [command, Suspend("x")], SubmissionOutcome(result[0].value))
    step = decide(STATE, submitted, Known())
    assert step is not None
    assert [(each.type, json.loads(each.data)) for each in step.events] == [(event, data)]
    assert (step.state.status, step.output, step.error) == result


def test_a_submission_leaves_its_digest_to_recognize_its_repetition() -> None:
    assert _step(Suspend("x"), digest="d").state.submission_digest == "d"
