"""Events that reach a workflow from outside: finished tasks, fired timers, settled promises, ended children, signals.

Such an event never stands between the events of one submission, because both get their numbers under the workflow's
row lock.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from server.domain.submission import WorkflowStep
from server.domain.workflow import WorkflowState, WorkflowStatus, extended
from server.domain.workflow_event import NewEvent


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event for a workflow; with ``waking``, a WAITING workflow becomes PENDING."""

    tenant_id: UUID
    workflow_id: UUID
    event: NewEvent
    waking: bool = True


def receive(state: WorkflowState, delivery: Delivery) -> WorkflowStep | None:
    """Return the step that a delivery causes in ``state``; None if the workflow has ended."""
    if state.status.is_terminal:
        return None
    longer, events = extended(state, [delivery.event])
    if not delivery.waking:
        return WorkflowStep(longer, events)
    status = WorkflowStatus.PENDING if state.status is WorkflowStatus.WAITING else state.status
    return WorkflowStep(replace(longer, status=status, waking_sequence=longer.last_sequence), events)


def receive_all(
    states: MutableMapping[tuple[UUID, UUID], WorkflowState], deliveries: Sequence[Delivery]
) -> list[WorkflowStep | None]:
    """Return the step of each delivery, in order, and update ``states``; None if the workflow is missing or ended."""
    steps: list[WorkflowStep | None] = []
    for delivery in deliveries:
        key = (delivery.tenant_id, delivery.workflow_id)
        step = receive(states[key], delivery) if key in states else None
        if step is not None:
            states[key] = step.state
        steps.append(step)
    return steps
