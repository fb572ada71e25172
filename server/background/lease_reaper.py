"""Takes runs back from workers that never reported: crashed ones, and ones whose answer got lost on its way.

A run is leased to the worker that claimed it. Activations are short; a run that is still out when its
lease is over, or whose worker shows no life, becomes pending again, and the next worker replays its history.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

LONGEST_PAUSE_S = 30.0

_log = logging.getLogger(__name__)


class LeaseReaper:
    """Looks for expired leases; every process of every server may do so at once. See ``core.service.Service``."""

    name = "lease reaper"

    def __init__(self, reclaim: Callable[[], Awaitable[int]], patience: float) -> None:
        """Take what reclaims runs and returns how many, and after how many seconds the first of them may be due."""
        self._reclaim = reclaim
        self._pause = min(LONGEST_PAUSE_S, patience / 4)

    async def run(self) -> None:
        """Reclaim, at once and then again and again, until cancelled."""
        while True:
            reclaimed = await self._reclaim()
            if reclaimed:
                _log.warning("%d runs were taken back from workers that did not report in time", reclaimed)
            await asyncio.sleep(self._pause)
