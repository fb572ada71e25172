"""Fires due timers, each once, even if several processes do so at the same time."""

from __future__ import annotations

from collections.abc import Sequence

from core.payload import dump, json_object
from server.domain.delivery import Delivery
from server.domain.timer import TimerKey
from server.domain.workflow_event import EventType, NewEvent
from server.engine.workflows.deliveries import Deliveries
from server.storage.repositories import Repositories

BATCH = 500
"""The number of due timers in one transaction."""


class Timers:
    """The call about timers. Commands of workflows start them."""

    def __init__(self, storage: Repositories, deliveries: Deliveries) -> None:
        self._storage = storage
        self._deliveries = deliveries

    async def fire_due(self) -> tuple[int, bool]:
        """Fire a batch of due timers; return their number, and whether more are due.

        Workflows that another transaction has locked are skipped: they are busy, or another process fires their timers.
        So no process waits for a lock here.
        """
        async with self._deliveries.dispatching() as dispatch, self._storage.database.transaction() as connection:
            due = await self._storage.timers.due(connection, BATCH)
            if not due:
                return 0, False
            states = await self._storage.workflows.lock_free(connection, due)
            fired = await self._storage.timers.fire(connection, list(states)) if states else []
            await dispatch.append(connection, states, _deliveries(fired))
        return len(fired), len(states) < len(due) or len(fired) >= BATCH


def _deliveries(fired: Sequence[TimerKey]) -> list[Delivery]:
    return [
        Delivery(tenant_id, workflow_id, NewEvent(EventType.TIMER_FIRED, json_object(timerId=dump(timer_id))))
        for tenant_id, workflow_id, timer_id in fired
    ]
