"""Deletes idempotency keys whose time is over. An expired key is free at once; this only keeps the table small."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

PAUSE_S = 300.0


class KeyCleaner:
    """Cleans up every five minutes; every process of every server may do so. See ``core.service.Service``."""

    name = "key cleaner"

    def __init__(self, clean: Callable[[], Awaitable[int]]) -> None:
        """Take what deletes expired keys."""
        self._clean = clean

    async def run(self) -> None:
        """Clean, at once and then again and again, until cancelled."""
        while True:
            await self._clean()
            await asyncio.sleep(PAUSE_S)
