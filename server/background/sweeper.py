"""Looks for what is over, again and again: expired leases, silent workers, old keys and histories.

The process that leads the deployment sweeps. For a moment two may lead, so that the statements leave to another what it
is already taking.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

_log = logging.getLogger(__name__)


class Sweeper:
    """Sweeps, pauses, sweeps. See ``core.service.Service``."""

    def __init__(
        self, name: str, sweep: Callable[[], Awaitable[int]], pause: float, found: str, level: int = logging.INFO
    ) -> None:
        """Take what does the work and returns on how much, and how it is said.

        Args:
            name: of the service, for the log.
            sweep: does everything that is to be done now.
            pause: seconds between two sweeps.
            found: what to log when there was something, with ``%d`` for how much.
            level: at which level.
        """
        self.name = name
        self._sweep = sweep
        self._pause = pause
        self._found = found
        self._level = level

    async def run(self) -> None:
        """Sweep, at once and then again and again, until cancelled."""
        while True:
            count = await self._sweep()
            if count:
                _log.log(self._level, self._found, count)
            await asyncio.sleep(self._pause)
