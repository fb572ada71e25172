"""Child workflows: the events that their parents get, which workers match by the child's name."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from core.payload import NULL, Json
from server.domain import child
from server.domain.submission import WorkflowStep
from server.domain.workflow import WorkflowState, WorkflowStatus

TENANT, PARENT, CHILD = UUID(int=1), UUID(int=2), UUID(int=3)


def _step(status: WorkflowStatus, parent: UUID | None = PARENT, **more: Any) -> WorkflowStep:
    state = WorkflowState(TENANT, CHILD, "k", "q", status, 1, 1, 0, parent_id=parent, child_name="c")
    return WorkflowStep(state, (), **more)


@pytest.mark.parametrize(
    ("step", "event", "members"),
    [
        (_step(WorkflowStatus.COMPLETED, output=Json("7")), "CHILD_WORKFLOW_COMPLETED", {"output": 7}),
        (_step(WorkflowStatus.COMPLETED), "CHILD_WORKFLOW_COMPLETED", {"output": None}),
        (_step(WorkflowStatus.FAILED, error="boom"), "CHILD_WORKFLOW_FAILED", {"error": "boom"}),
        (
            _step(WorkflowStatus.CANCELLED, error="enough"),
            "CHILD_WORKFLOW_FAILED",
            {"error": "Child workflow cancelled: enough"},
        ),
    ],
)
def test_the_end_of_a_child_is_an_event_of_its_parent(step: WorkflowStep, event: str, members: dict[str, Any]) -> None:
    """The event carries the child's name and id, and its output or its error."""
    delivery = child.outcome(step)
    assert delivery is not None
    data = json.loads(delivery.event.data)
    assert (delivery.workflow_id, delivery.event.type) == (PARENT, event)
    assert {"childExecutionName": "c", "childExecutionId": str(CHILD)}.items() <= data.items()
    assert members.items() <= data.items()


@pytest.mark.parametrize("step", [_step(WorkflowStatus.COMPLETED, parent=None), _step(WorkflowStatus.WAITING)])
def test_a_workflow_without_a_parent_or_without_an_end_causes_no_event(step: WorkflowStep) -> None:
    """Only an ended child has an outcome."""
    assert child.outcome(step) is None


def test_a_new_child_is_one_level_deeper_than_its_parent() -> None:
    """The depth is what stops an endless recursion; seconds become milliseconds."""
    parent = WorkflowState(TENANT, PARENT, "k", "q", WorkflowStatus.RUNNING, 1, 1, 0, depth=4)
    workflow = child.new_child(parent, CHILD, name="c", kind="k2", queue="q2", data=NULL, priority_seconds=2)
    assert (workflow.depth, workflow.parent_id, workflow.priority_ms) == (5, PARENT, 2000)
    assert json.loads(workflow.started.data)["parentWorkflowExecutionId"] == str(PARENT)
