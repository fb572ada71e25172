"""Takes events from outside into runs, inside the transaction of whoever brings them.

The one who brings them has locked the workflows, and wakes pollers when the transaction is committed:

    async with database.transaction() as connection:
        states = await runs.lock(connection, keys)
        ...
        delivered = await deliveries.append(connection, states, events)
    deliveries.wake(delivered)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from server.domain.delivery import Delivery, receive_all
from server.domain.submission import Step
from server.domain.workflow import WorkflowState, WorkflowStatus
from server.engine.dispatch.wakeups import QueueKey
from server.storage.workflows import WorkflowKey, WorkflowRepository


@dataclass(frozen=True, slots=True)
class Delivered:
    """What came of deliveries.

    Attributes:
        sequences: the number that each event got, in order; None where the workflow is unknown or has ended.
        woken: the workflows that are claimable now.
    """

    sequences: tuple[int | None, ...] = ()
    woken: tuple[WorkflowState, ...] = ()


class Deliveries:
    """Appends events from outside to locked workflows."""

    def __init__(self, workflows: WorkflowRepository, wake: Callable[[QueueKey, str], None]) -> None:
        """Take the storage of workflows and what wakes a poller of a queue for a kind."""
        self._runs = workflows
        self._wake = wake

    async def append(
        self, connection: Any, states: dict[WorkflowKey, WorkflowState], deliveries: Sequence[Delivery]
    ) -> Delivered:
        """Append events to workflows that the connection's transaction has locked, and move ``states`` on.

        All events of one workflow must come in one call or, in later calls, with the states as this one left them.
        """
        steps = receive_all(states, deliveries)
        taken = [step for step in steps if step is not None]
        if taken:
            await self._runs.apply(connection, taken)
        return Delivered(tuple(step.events[-1].sequence if step else None for step in steps), woken(taken))

    def wake(self, delivered: Delivered) -> None:
        """Wake pollers for the workflows that are claimable; to be called when the transaction is committed."""
        for state in delivered.woken:
            self._wake((state.tenant_id, state.queue), state.kind)


def woken(steps: Sequence[Step]) -> tuple[WorkflowState, ...]:
    """Return the workflows that are claimable after steps, each once.

    Those that were claimable before are among them: a poller may have looked while they were locked, and passed by.
    """
    last = {(step.state.tenant_id, step.state.id): step.state for step in steps}
    return tuple(state for state in last.values() if state.status is WorkflowStatus.PENDING)
