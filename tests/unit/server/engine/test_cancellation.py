"""The decision about a request to cancel a workflow, under the workflow's lock."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from server.domain.cancellation import CancellationRequest, CancelOutcome
from server.domain.workflow import WorkflowState, WorkflowStatus
from server.engine.workflows.cancellation import _decide

TENANT, WORKFLOW = UUID(int=1), UUID(int=2)
REQUEST = CancellationRequest(TENANT, WORKFLOW, "enough", "test")
EVENTS = ["CANCELLATION_REQUESTED", "WORKFLOW_EXECUTION_FAILED", "WORKFLOW_CANCELLED"]


def _state(status: WorkflowStatus) -> WorkflowState:
    return WorkflowState(TENANT, WORKFLOW, "k", "q", status, 3, 3, 0)


@pytest.mark.parametrize("status", [WorkflowStatus.PENDING, WorkflowStatus.WAITING])
def test_a_workflow_without_a_holder_is_cancelled_at_once(status: WorkflowStatus) -> None:
    """Clients that wait for a failure alone get one, too, and before the cancellation."""
    outcome, step = _decide(_state(status), REQUEST, ends=False)
    assert outcome is CancelOutcome.CANCELLED
    assert step is not None
    assert (step.state.status, step.error) == (WorkflowStatus.CANCELLED, "enough")
    assert [event.type for event in step.events] == EVENTS


def test_a_running_workflow_becomes_cancelling() -> None:
    """The request is stored, and must be removed at the end: the workflow has dependents."""
    outcome, step = _decide(_state(WorkflowStatus.RUNNING), REQUEST, ends=False)
    assert outcome is CancelOutcome.CANCELLING
    assert step is not None
    assert (step.state.status, step.state.has_dependents, step.events) == (WorkflowStatus.CANCELLING, True, ())


@pytest.mark.parametrize(("ends", "outcome"), [(False, CancelOutcome.CANCELLING), (True, CancelOutcome.CANCELLED)])
def test_a_cancelling_workflow_ends_when_its_claim_is_over(ends: bool, outcome: CancelOutcome) -> None:  # noqa: FBT001
    """Until then, a repeated request changes nothing."""
    answer, step = _decide(_state(WorkflowStatus.CANCELLING), REQUEST, ends=ends)
    assert (answer, step is not None) == (outcome, ends)


@pytest.mark.parametrize("status", [each for each in WorkflowStatus if each.is_terminal])
def test_an_ended_workflow_stays_as_it_is(status: WorkflowStatus) -> None:
    """The request comes too late."""
    assert _decide(_state(status), REQUEST, ends=True) == (CancelOutcome.ALREADY_TERMINAL, None)


def test_a_cancelled_workflow_tells_the_reason_and_the_requester() -> None:
    """Each of its events has the reason, the failure in the words that clients match."""
    _, step = _decide(_state(WorkflowStatus.PENDING), REQUEST, ends=False)
    assert step is not None
    assert [json.loads(event.data) for event in step.events] == [
        {"reason": "enough", "requestedBy": "test"},
        {"error": "Workflow cancelled: enough", "stackTrace": "", "failureType": "CANCELLED"},
        {"reason": "enough"},
    ]
