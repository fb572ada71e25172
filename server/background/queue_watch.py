"""Lets parked pollers look where work is pending, in case a notification was lost: the leader's work.

It also tells of tasks whose scheduled time has come: nobody else is there to tell of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from uuid import UUID

from server.domain.worker import Category
from server.engine.dispatch.wakeups import nudge_payload
from server.storage.due import PendingQueue, Place

LOOK_EVERY_S = 2.0
"""How often work is looked for that its pollers were not told of."""

SHORTEST_PAUSE_S = 0.02

QUEUES = 1000
"""Of how many queues of each category pollers are told at a time; the next time, it goes on with those that follow."""

_FIRST: Place = (UUID(int=0), "")


class QueueWatch:
    """Looks for pending work and tells all processes of its queues. See ``core.service.Service``."""

    name = "queue watch"

    def __init__(
        self,
        look: Callable[[Mapping[Category, Place], int], Awaitable[Sequence[PendingQueue]]],
        tell: Callable[[list[str]], Awaitable[None]],
        pending: asyncio.Event,
    ) -> None:
        """Take what finds queues with pending work after a given one, what tells all processes, and when to look."""
        self._look = look
        self._tell = tell
        self._pending = pending
        self._after = dict.fromkeys(Category, _FIRST)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._pending.wait()
            self._pending.clear()
            pause = await self._tell_of_pending()
            await asyncio.sleep(pause)

    async def _tell_of_pending(self) -> float:
        """Tell once; return how long to wait until the next time."""
        found = await self._look(self._after, QUEUES)
        for category in Category:
            mine = [each for each in found if each.category is category]
            self._after[category] = (mine[-1].tenant_id, mine[-1].queue) if len(mine) == QUEUES else _FIRST
        payloads = [nudge_payload(each.category, (each.tenant_id, each.queue)) for each in found if each.due_in <= 0]
        if payloads:
            await self._tell(payloads)
        later = min((each.due_in for each in found if each.due_in > 0), default=LOOK_EVERY_S)
        return min(max(later, SHORTEST_PAUSE_S), LOOK_EVERY_S)
