"""Takes tasks back from workers that are presumed dead.

A task may run for long and need not say so: it is taken back only when its worker shows no life by any other sign,
and then counts as an attempt. Every process of every server may do so at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

LONGEST_PAUSE_S = 30.0

_log = logging.getLogger(__name__)


class WorkerWatcher:
    """Looks for tasks of dead workers; see ``core.service.Service``."""

    name = "worker watcher"

    def __init__(self, reclaim: Callable[[], Awaitable[int]], patience: float) -> None:
        """Take what takes tasks back and returns how many, and after how many silent seconds a task is taken back."""
        self._reclaim = reclaim
        self._pause = min(LONGEST_PAUSE_S, patience / 4)

    async def run(self) -> None:
        """Look, at once and then again and again, until cancelled."""
        while True:
            reclaimed = await self._reclaim()
            if reclaimed:
                _log.warning("%d tasks were taken back from workers that show no life", reclaimed)
            await asyncio.sleep(self._pause)
