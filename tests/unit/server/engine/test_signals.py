"""The step of a signal, and the signals that a workflow refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from uuid import UUID

from core.errors import LimitExceeded, WrongState
from core.launchers import IdempotencyKey, WorkflowLaunch
from core.payload import Json
from server.domain.submission import WorkflowStep
from server.domain.workflow import WorkflowState, WorkflowStatus
from server.engine.workflows.signals import MAX_SIGNALS, _fresh, _signalled
from server.engine.workflows.starts import new_workflow

STATE = WorkflowState(UUID(int=1), UUID(int=2), "k", "q", WorkflowStatus.WAITING, 3, 3, 0)


def test_a_signal_is_an_event_that_wakes_its_workflow() -> None:
    """It is counted; equal signals are two events."""
    step = _signalled(STATE, "s", Json("[1]"))
    assert isinstance(step, WorkflowStep)
    assert (step.state.status, step.state.signal_count) == (WorkflowStatus.PENDING, 1)
    assert json.loads(step.events[0].data) == {"signalName": "s", "signalValue": [1]}


def test_a_workflow_accepts_a_bounded_number_of_signals() -> None:
    """The last one is still accepted."""
    assert isinstance(_signalled(replace(STATE, signal_count=MAX_SIGNALS - 1), "s", Json("1")), WorkflowStep)
    assert isinstance(_signalled(replace(STATE, signal_count=MAX_SIGNALS), "s", Json("1")), LimitExceeded)


def test_an_ended_workflow_accepts_no_signal() -> None:
    """The caller learns its status."""
    error = _signalled(replace(STATE, status=WorkflowStatus.FAILED), "s", Json("1"))
    assert isinstance(error, WrongState)
    assert "FAILED" in str(error)


def test_a_workflow_that_is_started_for_a_signal_has_its_first_event() -> None:
    """The signal is the second one; the key is released if the workflow fails."""
    workflow = new_workflow(WorkflowLaunch(UUID(int=1), "k", idempotency_key=IdempotencyKey("x")))
    state = _fresh(workflow)
    assert (state.last_sequence, state.has_dependents) == (1, True)
    assert state.history_bytes == workflow.started.size


def test_a_workflow_that_is_started_for_a_signal_has_the_state_of_its_row() -> None:
    """No event from outside has come before the signal."""
    workflow = new_workflow(WorkflowLaunch(UUID(int=1), "k", queue="q"))
    assert _fresh(workflow) == WorkflowState(
        UUID(int=1), workflow.id, "k", "q", WorkflowStatus.PENDING, 1, 0, 0, history_bytes=workflow.started.size
    )
