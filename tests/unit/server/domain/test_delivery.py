"""Deliveries: events from outside, and the steps that they cause."""

from __future__ import annotations

from uuid import UUID

import pytest

from core.payload import NULL
from server.domain.delivery import Delivery, receive, receive_all
from server.domain.workflow import WorkflowState, WorkflowStatus
from server.domain.workflow_event import EventType, NewEvent

TENANT, WORKFLOW = UUID(int=1), UUID(int=2)
SIGNAL = Delivery(TENANT, WORKFLOW, NewEvent(EventType.SIGNAL_RECEIVED, NULL))


def _state(status: WorkflowStatus) -> WorkflowState:
    return WorkflowState(TENANT, WORKFLOW, "k", "q", status, last_sequence=3, dispatched_sequence=3, waking_sequence=0)


@pytest.mark.parametrize("status", [WorkflowStatus.COMPLETED, WorkflowStatus.FAILED, WorkflowStatus.CANCELLED])
def test_an_ended_workflow_takes_no_event(status: WorkflowStatus) -> None:
    """Whatever comes after the end is ignored."""
    assert receive(_state(status), SIGNAL) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (WorkflowStatus.WAITING, WorkflowStatus.PENDING),
        (WorkflowStatus.PENDING, WorkflowStatus.PENDING),
        (WorkflowStatus.RUNNING, WorkflowStatus.RUNNING),
        (WorkflowStatus.CANCELLING, WorkflowStatus.CANCELLING),
    ],
)
def test_a_waking_event_wakes_a_waiting_workflow_only(before: WorkflowStatus, after: WorkflowStatus) -> None:
    """The others go on as they are; the mark of the newest waking event moves in each case."""
    step = receive(_state(before), SIGNAL)
    assert step is not None
    assert step.state.status is after
    assert (step.state.last_sequence, step.state.waking_sequence) == (4, 4)


def test_an_event_that_does_not_wake_leaves_the_workflow_waiting() -> None:
    """It is numbered, and the mark of waking events stays."""
    step = receive(_state(WorkflowStatus.WAITING), Delivery(TENANT, WORKFLOW, SIGNAL.event, waking=False))
    assert step is not None
    assert (step.state.status, step.state.last_sequence, step.state.waking_sequence) == (WorkflowStatus.WAITING, 4, 0)


def test_several_events_of_one_workflow_are_numbered_on() -> None:
    """Each delivery builds on the one before; one for an unknown workflow is left out and named by its place."""
    states = {(TENANT, WORKFLOW): _state(WorkflowStatus.WAITING)}
    unknown = Delivery(TENANT, UUID(int=9), SIGNAL.event)
    steps = receive_all(states, [SIGNAL, unknown, SIGNAL])
    assert [step and step.events[0].sequence for step in steps] == [4, None, 5]
    assert states[TENANT, WORKFLOW].last_sequence == 5
