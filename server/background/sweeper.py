"""Sweeps: periodic passes over all tenants, for expired leases, silent workers, old keys and histories.

Sweeps run in the leader. For a moment two processes may lead, so that the statements skip rows that are locked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

_log = logging.getLogger(__name__)


class Sweeper:
    """Sweeps and pauses in turn; see ``core.service.Service``.

    Args:
        name: the name of the service, for the log.
        sweep: processes everything that is due now, and returns how much it was.
        pause: the seconds between two sweeps.
        found: the log message of a sweep that found something, with ``%d`` for how much.
        level: the log level of the message.
    """

    def __init__(
        self, name: str, sweep: Callable[[], Awaitable[int]], pause: float, found: str, level: int = logging.INFO
    ) -> None:
        self.name = name
        self._sweep = sweep
        self._pause = pause
        self._found = found
        self._level = level

    async def run(self) -> None:
        """Sweep at once, and then after each pause, until cancelled."""
        while True:
            count = await self._sweep()
            if count:
                _log.log(self._level, self._found, count)
            await asyncio.sleep(self._pause)
