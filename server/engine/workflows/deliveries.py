"""Appends deliveries, events from outside, to workflows, inside the transaction of the caller.

The caller locks the workflows, and wakes pollers after the commit. A poller that was woken before would find the rows
locked and skip them:

    async with database.transaction() as connection:
        states = await workflows.lock(connection, keys)
        ...
        delivered = await deliveries.append(connection, states, events)
    deliveries.wake(delivered)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.connection import DatabaseConnection
from server.domain.delivery import Delivery, receive_all
from server.domain.submission import WorkflowStep
from server.domain.workflow import WorkflowState, WorkflowStatus
from server.engine.dispatch.wakeups import QueueKey
from server.storage.workflows import WorkflowKey, WorkflowRepository


@dataclass(frozen=True, slots=True)
class Delivered:
    """The result of deliveries.

    Attributes:
        sequences: the number of each event, in order; None if the workflow is missing or has ended.
        woken: the workflows that are PENDING now.
    """

    sequences: tuple[int | None, ...] = ()
    woken: tuple[WorkflowState, ...] = ()


class Deliveries:
    """Appends deliveries to locked workflows."""

    def __init__(self, workflows: WorkflowRepository, wake: Callable[[QueueKey, str], None]) -> None:
        self._workflows = workflows
        self._wake = wake

    async def append(
        self, connection: DatabaseConnection, states: dict[WorkflowKey, WorkflowState], deliveries: Sequence[Delivery]
    ) -> Delivered:
        """Append events to workflows that the connection's transaction has locked; update ``states``.

        A later call for the same workflow must pass the updated states.
        """
        steps = receive_all(states, deliveries)
        applied = [step for step in steps if step is not None]
        if applied:
            await self._workflows.apply(connection, applied)
        return Delivered(tuple(step.events[-1].sequence if step else None for step in steps), woken(applied))

    def wake(self, delivered: Delivered) -> None:
        """Wake pollers for the PENDING workflows; to be called after the commit."""
        for state in delivered.woken:
            self._wake((state.tenant_id, state.queue), state.kind)


def woken(steps: Sequence[WorkflowStep]) -> tuple[WorkflowState, ...]:
    """Return the workflows that are PENDING after the steps, each once.

    Workflows that were PENDING before are included: a claim skips locked rows, so that a poller may have missed them.
    """
    last = {(step.state.tenant_id, step.state.id): step.state for step in steps}
    return tuple(state for state in last.values() if state.status is WorkflowStatus.PENDING)
