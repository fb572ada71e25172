"""Looks, for a whole deployment, for what is due: the leader's work.

A process fires the timers that it started by itself, when their time has come. All others are found here: those of
processes that have ended, and those that this or another process could not fire in time. One statement asks when
something is due next, of every kind; it announces the leader as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from server.background.due_service import DoDue
from server.database.leadership import BEAT_EVERY_S
from server.storage.due import Outlook

GRACE_S = 0.02
"""How long what is due is left to the process that made it."""

SHORTEST_PAUSE_S = 0.02
LONGEST_BUSY_PAUSE_S = 1.0
"""What is due but busy is tried again after the shortest pause, then after twice the time, up to the longest."""


class DueWatch:
    """Looks, works off what is overdue, sleeps until something else is. See ``core.service.Service``."""

    name = "due watch"

    def __init__(
        self, look: Callable[[], Awaitable[Outlook]], work: Mapping[str, DoDue], pending: asyncio.Event
    ) -> None:
        """Take what tells when work is due, what does a batch of each kind, and what to set when work is pending."""
        self._look = look
        self._work = work
        self._pending = pending

    async def run(self) -> None:
        """Work until cancelled; what became due while nobody led is done at once."""
        busy_pause = SHORTEST_PAUSE_S
        while True:
            outlook = await self._look()
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
