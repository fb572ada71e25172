"""Does what becomes due of the things that this process itself has made: timers, time-outs of promises and so on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from server.engine.schedules.next_due import NextDue

DoDue = Callable[[], Awaitable[tuple[int, bool]]]
"""Does a batch of due work; returns how much, and whether some is left that is due now."""

FIRST_PAUSE_S = 0.005
"""What is due but busy is tried again after this time, then after twice the time, and so on."""

ATTEMPTS = 6
"""How often what is due but busy is tried; after that, the leader looks for it."""


class DueService:
    """Waits until something is due, then does what is due, whichever process made it. See ``core.service.Service``."""

    def __init__(self, name: str, do_due: DoDue, next_due: NextDue) -> None:
        """Take a name, what does a batch of due work, and the moments at which this process expects some."""
        self.name = name
        self._do_due = do_due
        self._next_due = next_due

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._next_due.wait()
            await self._work_off()

    async def _work_off(self) -> None:
        attempts = 0
        while attempts < ATTEMPTS:
            done, is_left = await self._do_due()
            if not is_left:
                return
            if not done:
                await asyncio.sleep(FIRST_PAUSE_S * 2**attempts)
                attempts += 1
