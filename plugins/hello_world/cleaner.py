"""Forgets old greetings, in one process of the deployment at a time."""

from __future__ import annotations

import asyncio
import logging

from plugins.hello_world.repository import GreetingRepository

EVERY_S = 3600.0


class Cleaner:
    """A background service; see ``core.service.Service``."""

    name = "cleaner"

    def __init__(self, greetings: GreetingRepository, keep_days: int, logger: logging.Logger) -> None:
        self._greetings = greetings
        self._keep_days = keep_days
        self._logger = logger

    async def run(self) -> None:
        """Clean now and then every hour, until cancelled."""
        while True:
            deleted = await self._greetings.forget(self._keep_days)
            if deleted:
                self._logger.info("%d greetings older than %d days are forgotten", deleted, self._keep_days)
            await asyncio.sleep(EVERY_S)
