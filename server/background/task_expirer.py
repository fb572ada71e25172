"""Fails tasks whose deadline has passed, whether they wait for a worker or run.

The deadline is over all attempts, so there is no retry; the worker learns of it from its next heartbeat.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

PAUSE_S = 1.0

_log = logging.getLogger(__name__)


class TaskExpirer:
    """Looks for overdue tasks; every process of every server may do so at once. See ``core.service.Service``."""

    name = "task expirer"

    def __init__(self, expire: Callable[[], Awaitable[int]]) -> None:
        """Take what fails overdue tasks and returns how many."""
        self._expire = expire

    async def run(self) -> None:
        """Expire tasks again and again, until cancelled."""
        while True:
            expired = await self._expire()
            if expired:
                _log.info("%d tasks exceeded their deadline", expired)
            await asyncio.sleep(PAUSE_S)
