"""Deletes runs that ended long ago, with their histories, where the operator wants that; off by default."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

LONGEST_PAUSE_S = 60.0

_log = logging.getLogger(__name__)


class HistoryPruner:
    """Prunes again and again; every process of every server may do so at once. See ``core.service.Service``."""

    name = "history pruner"

    def __init__(self, prune: Callable[[float], Awaitable[int]], age: float) -> None:
        """Take what deletes runs that ended more than so many seconds ago, and how many."""
        self._prune = prune
        self._age = age

    async def run(self) -> None:
        """Prune until cancelled."""
        while True:
            pruned = await self._prune(self._age)
            if pruned:
                _log.info("%d workflow executions that ended more than %g s ago were deleted", pruned, self._age)
            await asyncio.sleep(min(LONGEST_PAUSE_S, self._age / 4))
