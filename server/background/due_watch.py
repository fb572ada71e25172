"""Finds due work of the whole deployment; it runs in the leader.

A process fires its own timers when they are due. This service finds all others: those of processes that have ended, and
those that a process did not fire in time. One statement reads when work of each kind is due next. The same statement
announces the leader.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from server.background.due_service import DoDue
from server.database.leadership import BEAT_EVERY_S
from server.storage.due import Outlook

GRACE_S = 0.02
"""The time for which due work is left to the process that made it."""

SHORTEST_PAUSE_S = 0.02
LONGEST_BUSY_PAUSE_S = 1.0
"""Overdue work whose rows are locked is tried again after the shortest pause, which doubles up to the longest."""


class DueWatch:
    """Reads the due times, processes overdue work, and sleeps until more is due; see ``core.service.Service``.

    ``work`` processes a batch of each kind. ``pending`` is set when workflow or task executions are pending.
    """

    name = "due watch"

    def __init__(
        self, read: Callable[[], Awaitable[Outlook]], work: Mapping[str, DoDue], pending: asyncio.Event
    ) -> None:
        self._read = read
        self._work = work
        self._pending = pending

    async def run(self) -> None:
        """Process overdue work until cancelled; work that became due without a leader is processed at once."""
        busy_pause = SHORTEST_PAUSE_S
        while True:
            outlook = await self._read()
            due_in = outlook.due_in
            if outlook.is_work_pending:
                self._pending.set()
            overdue = [kind for kind, seconds in due_in.items() if seconds is not None and seconds <= -GRACE_S]
            if not overdue:
                busy_pause = SHORTEST_PAUSE_S
                await asyncio.sleep(_pause(due_in))
            elif any([await self._do(kind) for kind in overdue]):
                busy_pause = SHORTEST_PAUSE_S
            else:
                await asyncio.sleep(busy_pause)
                busy_pause = min(2 * busy_pause, LONGEST_BUSY_PAUSE_S)

    async def _do(self, kind: str) -> bool:
        done, _ = await self._work[kind]()
        return done > 0


def _pause(due_in: Mapping[str, float | None]) -> float:
    nearest = min((seconds for seconds in due_in.values() if seconds is not None), default=BEAT_EVERY_S)
    return min(max(nearest + GRACE_S, SHORTEST_PAUSE_S), BEAT_EVERY_S)
