"""Lets parked pollers look by themselves now and then, in case a notification was lost: one per queue, not all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from server.engine.wakeups import NUDGE_EVERY_S, Wakeups


class PollNudger:
    """Nudges; see ``core.service.Service``."""

    name = "poll nudger"

    def __init__(self, wakeups: Sequence[Wakeups]) -> None:
        """Take where pollers are parked."""
        self._wakeups = wakeups

    async def run(self) -> None:
        """Nudge again and again, until cancelled."""
        while True:
            await asyncio.sleep(NUDGE_EVERY_S)
            for each in self._wakeups:
                each.nudge()
