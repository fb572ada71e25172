"""Events that reach a run from outside: finished tasks, fired timers, settled promises, ended children, signals.

They fall between the batches of the run's own commands, never inside one, because both are numbered
under the run's lock.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from server.domain.submission import Step
from server.domain.workflow import RunState, RunStatus, extended
from server.domain.workflow_event import NewEvent


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event for a run; a waking one makes a waiting run claimable again."""

    tenant_id: UUID
    run_id: UUID
    event: NewEvent
    waking: bool = True


def receive(state: RunState, delivery: Delivery) -> Step | None:
    """Return what an event from outside does to a run in ``state``; None when the run has ended and ignores it."""
    if state.status.is_terminal:
        return None
    longer, events = extended(state, [delivery.event])
    if not delivery.waking:
        return Step(longer, events)
    status = RunStatus.PENDING if state.status is RunStatus.WAITING else state.status
    return Step(replace(longer, status=status, waking_sequence=longer.last_sequence), events)


def receive_all(
    states: MutableMapping[tuple[UUID, UUID], RunState], deliveries: Sequence[Delivery]
) -> list[Step | None]:
    """Return the step of each delivery, in order, and move ``states`` on; None for a run that is unknown or ended."""
    steps: list[Step | None] = []
    for delivery in deliveries:
        key = (delivery.tenant_id, delivery.run_id)
        step = receive(states[key], delivery) if key in states else None
        if step is not None:
            states[key] = step.state
        steps.append(step)
    return steps
