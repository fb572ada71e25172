"""Nudges parked pollers of queues in which work is pending, in case a notification was lost; it runs in the leader.

It is also the only service that wakes pollers for tasks whose scheduled time has come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from uuid import UUID

from server.domain.worker import Category
from server.engine.dispatch.wakeups import nudge_payload
from server.storage.due import PendingQueue, Place

LOOK_EVERY_S = 2.0
"""The time between two searches for pending work."""

SHORTEST_PAUSE_S = 0.02

QUEUES = 1000
"""The number of queues of each category that are nudged at a time; the next search continues behind them."""

_FIRST: Place = (UUID(int=0), "")


class QueueWatch:
    """Finds queues with pending work and nudges their pollers in all processes; see ``core.service.Service``.

    ``find`` returns at most ``queues`` queues of each category with pending work, behind given ones. ``pending`` is set
    when there may be some.
    """

    name = "queue watch"

    def __init__(
        self,
        find: Callable[[Mapping[Category, Place], int], Awaitable[Sequence[PendingQueue]]],
        nudge: Callable[[list[str]], Awaitable[None]],
        pending: asyncio.Event,
        queues: int = QUEUES,
    ) -> None:
        self._queues = queues
        self._find = find
        self._nudge = nudge
        self._pending = pending
        self._after = dict.fromkeys(Category, _FIRST)

    async def run(self) -> None:
        """Nudge pollers until cancelled."""
        while True:
            await self._pending.wait()
            self._pending.clear()
            pause = await self._nudge_pending()
            await asyncio.sleep(pause)

    async def _nudge_pending(self) -> float:
        """Nudge once; return the pause until the next time, in seconds."""
        found = await self._find(self._after, self._queues)
        for category in Category:
            mine = [each for each in found if each.category is category]
            self._after[category] = (mine[-1].tenant_id, mine[-1].queue) if len(mine) == self._queues else _FIRST
        payloads = [nudge_payload(each.category, (each.tenant_id, each.queue)) for each in found if each.due_in <= 0]
        if payloads:
            await self._nudge(payloads)
        later = min((each.due_in for each in found if each.due_in > 0), default=LOOK_EVERY_S)
        return min(max(later, SHORTEST_PAUSE_S), LOOK_EVERY_S)
