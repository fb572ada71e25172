"""Processes due work that this process made: timers, timeouts of promises, schedules and so on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from server.engine.schedules.next_due import NextDue

DoDue = Callable[[], Awaitable[tuple[int, bool]]]
"""Processes a batch of due work; returns its size, and whether more work is due now."""

FIRST_PAUSE_S = 0.005
"""Due work whose rows are locked is tried again after this time, then after twice the time, and so on."""

ATTEMPTS = 6
"""The number of attempts at due work whose rows are locked; after them, the leader finds the work."""


class DueService:
    """Waits until work of this process is due, then processes all due work; see ``core.service.Service``.

    ``next_due`` holds the moments at which work of this process becomes due.
    """

    def __init__(self, name: str, do_due: DoDue, next_due: NextDue) -> None:
        self.name = name
        self._do_due = do_due
        self._next_due = next_due

    async def run(self) -> None:
        """Process due work until cancelled."""
        while True:
            await self._next_due.wait()
            await self._process_due()

    async def _process_due(self) -> None:
        attempts = 0
        while attempts < ATTEMPTS:
            done, is_left = await self._do_due()
            if not is_left:
                return
            if not done:
                await asyncio.sleep(FIRST_PAUSE_S * 2**attempts)
                attempts += 1
