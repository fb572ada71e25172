"""Takes events from outside into runs, inside the transaction of whoever brings them.

The one who brings them has locked the runs, and wakes pollers when the transaction is committed:

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
from server.domain.workflow import RunState, RunStatus
from server.engine.dispatch.wakeups import QueueKey
from server.storage.workflows import RunKey, WorkflowRepository


@dataclass(frozen=True, slots=True)
class Delivered:
    """What came of deliveries.

    Attributes:
        sequences: the number that each event got, in order; None where the run is unknown or has ended.
        woken: the runs that are claimable now.
    """

    sequences: tuple[int | None, ...] = ()
    woken: tuple[RunState, ...] = ()


class Deliveries:
    """Appends events from outside to locked runs."""

    def __init__(self, runs: WorkflowRepository, wake: Callable[[QueueKey, str], None]) -> None:
        """Take the storage of runs and what wakes a poller of a queue for a kind."""
        self._runs = runs
        self._wake = wake

    async def append(
        self, connection: Any, states: dict[RunKey, RunState], deliveries: Sequence[Delivery]
    ) -> Delivered:
        """Append events to runs that the connection's transaction has locked, and move ``states`` on.

        All events of one run must come in one call or, in later calls, with the states as this one left them.
        """
        steps = receive_all(states, deliveries)
        taken = [step for step in steps if step is not None]
        if taken:
            await self._runs.apply(connection, taken)
        return Delivered(tuple(step.events[-1].sequence if step else None for step in steps), woken(taken))

    def wake(self, delivered: Delivered) -> None:
        """Wake pollers for the runs that are claimable; to be called when the transaction is committed."""
        for state in delivered.woken:
            self._wake((state.tenant_id, state.queue), state.kind)


def woken(steps: Sequence[Step]) -> tuple[RunState, ...]:
    """Return the runs that are claimable after steps, each once.

    Those that were claimable before are among them: a poller may have looked while they were locked, and passed by.
    """
    last = {(step.state.tenant_id, step.state.id): step.state for step in steps}
    return tuple(state for state in last.values() if state.status is RunStatus.PENDING)
