"""Child workflows, and the events about them in their parents. Workers match these events by the child's name."""

from __future__ import annotations

from uuid import UUID

from core.payload import NULL, Json, dump, json_object
from core.tracing import context_below
from server.domain.delivery import Delivery
from server.domain.submission import WorkflowStep
from server.domain.workflow import NewWorkflow, WorkflowState, WorkflowStatus
from server.domain.workflow_event import EventType, NewEvent

MAX_DEPTH = 100
"""The greatest depth of nested children; a deeper one is taken for an endless recursion."""


def initiated(name: str, child_id: UUID, kind: str, data: Json, queue: str) -> NewEvent:
    """Return the parent's event of a requested child."""
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
    """Return the parent's event of a child that failed, was cancelled, or could not start."""
    identifier = dump(str(child_id))
    # workers read the last key in exactly this spelling
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
    """Return a child to insert, with the first event of its own history."""
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
        trace=context_below(parent.trace, parent.id),
    )


def outcome(step: WorkflowStep) -> Delivery | None:
    """Return the event that a child's end causes in its parent; None without a parent or while the child is open."""
    state = step.state
    if state.parent_id is None or state.child_name is None or not state.status.is_terminal:
        return None
    if state.status is WorkflowStatus.COMPLETED:
        data = json_object(
            childExecutionName=dump(state.child_name), childExecutionId=dump(str(state.id)), output=step.output or NULL
        )
        event = NewEvent(EventType.CHILD_WORKFLOW_COMPLETED, data)
    else:
        error = step.error or "the child failed and reported no error"
        message = error if state.status is WorkflowStatus.FAILED else f"Child workflow cancelled: {error}"
        event = failed(state.child_name, state.id, message)
    return Delivery(state.tenant_id, state.parent_id, event)
