"""Child workflows: what their parents hear of them. Workers match outcomes by the child's name, not by its id."""

from __future__ import annotations

from uuid import UUID

from core.payload import NULL, Json, dump, json_object
from server.domain.delivery import Delivery
from server.domain.submission import Step
from server.domain.workflow import NewWorkflow, WorkflowState, WorkflowStatus
from server.domain.workflow_event import EventType, NewEvent

MAX_DEPTH = 100
"""How deep children may be nested: deeper is an endless recursion."""


def initiated(name: str, child_id: UUID, kind: str, data: Json, queue: str) -> NewEvent:
    """Return the event of a child that was asked for."""
    identifier = dump(str(child_id))
    event = json_object(
        childExecutionName=dump(name),
        childExecutionId=identifier,
        childWorkflowKind=dump(kind),
        childWorkflowExecutionId=identifier,
        input=data,
        queue=dump(queue),
    )
    return NewEvent(EventType.CHILD_WORKFLOW_INITIATED, event)


def failed(name: str, child_id: UUID, error: str) -> NewEvent:
    """Return the event of a child that failed, was cancelled, or could not start."""
    identifier = dump(str(child_id))
    # the odd spelling of the last key is the one that workers read
    data = json_object(
        childExecutionName=dump(name),
        childExecutionId=identifier,
        error=dump(error),
        childworkflowExecutionId=identifier,
    )
    return NewEvent(EventType.CHILD_WORKFLOW_FAILED, data)


def new_child(
    parent: WorkflowState, child_id: UUID, *, name: str, kind: str, queue: str, data: Json, priority_seconds: int
) -> NewWorkflow:
    """Return a child to start, with the first event of its own history."""
    event = json_object(input=data, workflowKind=dump(kind), parentWorkflowExecutionId=dump(str(parent.id)))
    return NewWorkflow(
        tenant_id=parent.tenant_id,
        id=child_id,
        kind=kind,
        queue=queue,
        input=data,
        priority_ms=priority_seconds * 1000,
        workflow_version=None,
        metadata={},
        started=NewEvent(EventType.WORKFLOW_STARTED, event),
        parent_id=parent.id,
        child_name=name,
        depth=parent.depth + 1,
    )


def outcome(step: Step) -> Delivery | None:
    """Return what the parent hears of a child's step; None when the workflow has no parent or has not ended."""
    state = step.state
    if state.parent_id is None or state.child_name is None or not state.status.is_terminal:
        return None
    if state.status is WorkflowStatus.COMPLETED:
        data = json_object(
            childExecutionName=dump(state.child_name), childExecutionId=dump(str(state.id)), output=step.output or NULL
        )
        event = NewEvent(EventType.CHILD_WORKFLOW_COMPLETED, data)
    else:
        error = step.error or "the child failed without saying why"
        told = error if state.status is WorkflowStatus.FAILED else f"Child workflow cancelled: {error}"
        event = failed(state.child_name, state.id, told)
    return Delivery(state.tenant_id, state.parent_id, event)
