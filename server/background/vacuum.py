"""Vacuums small tables that change fast; it runs in the leader.

Autovacuum examines a database once a minute. In a minute, a few hundred workflows a second leave several times as many
dead rows as a young database has live ones, and every claim scans them. Larger tables are left to autovacuum.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from core.errors import Unavailable
from server.storage.dead_rows import DeadRowRepository, DeadRows

LOOK_EVERY_S = 20.0
LOOK_AGAIN_S = 3.0
"""The pause after a check that found more dead rows than the one before."""

FIRST_REST_S = 10.0
LONGEST_REST_S = 600.0
"""A table whose dead rows cannot be removed is tried again after the first rest, which doubles up to the longest."""

_log = logging.getLogger(__name__)


class Vacuum:
    """Vacuums tables with too many dead rows; see ``core.service.Service``."""

    name = "vacuum"

    def __init__(self, storage: DeadRowRepository) -> None:
        self._storage = storage
        self._rests: dict[str, tuple[float, float]] = {}
        """By resting table: the end of its rest by the clock of the event loop, and the duration in seconds."""

    async def run(self) -> None:
        """Vacuum until cancelled."""
        before = 0
        while True:
            found = await self._storage.tables()
            removed = await self._vacuum_all([each for each in found if each.are_many])
            count = sum(each.count for each in found)
            await asyncio.sleep(LOOK_AGAIN_S if count > before else LOOK_EVERY_S)
            before = count - removed

    async def _vacuum_all(self, found: Sequence[DeadRows]) -> int:
        """Vacuum each table once, except resting ones; return the number of dead rows that were removed."""
        now, removed = asyncio.get_running_loop().time(), 0
        for each in found:
            if self._rests.get(each.table, (0, 0))[0] > now:
                continue
            try:
                left = await self._storage.vacuum(each.table)
            except Unavailable as error:
                _log.info("could not vacuum the table %s; it is left to autovacuum for a while: %s", each.table, error)
                left = each.count
            self._rest_if_useless(each.table, each.count, left)
            removed += each.count - left
        return removed

    def _rest_if_useless(self, table: str, dead: int, left: int) -> None:
        """Let a table rest whose dead rows remain: an old transaction may see them, or autovacuum holds the lock."""
        if left < dead / 2:
            self._rests.pop(table, None)
            return
        rest = min(2 * self._rests.get(table, (0, FIRST_REST_S / 2))[1], LONGEST_REST_S)
        self._rests[table] = (asyncio.get_running_loop().time() + rest, rest)
