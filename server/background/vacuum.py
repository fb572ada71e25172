"""Removes dead rows of small tables that change fast: the leader's work.

Autovacuum looks at a database once a minute. In this time, a few hundred workflows a second leave several times as many
dead rows as a young database has live ones, and every claim walks over them. Larger tables are left to autovacuum.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from core.errors import Unavailable
from server.storage.dead_rows import DeadRowRepository, DeadRows

LOOK_EVERY_S = 20.0
LOOK_AGAIN_S = 3.0
"""The pause after a look that found more dead rows than the one before."""

FIRST_REST_S = 10.0
LONGEST_REST_S = 600.0
"""A table whose dead rows cannot be removed is tried again after twice the time, and so on, up to this."""

_log = logging.getLogger(__name__)


class Vacuum:
    """Vacuums what needs it. See ``core.service.Service``."""

    name = "vacuum"

    def __init__(self, storage: DeadRowRepository) -> None:
        """Take where dead rows are counted and removed."""
        self._storage = storage
        self._rests: dict[str, tuple[float, float]] = {}
        """Of tables whose dead rows could not be removed: until when they are left alone, and how long that was."""

    async def run(self) -> None:
        """Work until cancelled."""
        before = 0
        while True:
            found = await self._storage.tables()
            removed = await self._work_off([each for each in found if each.are_many])
            count = sum(each.count for each in found)
            await asyncio.sleep(LOOK_AGAIN_S if count > before else LOOK_EVERY_S)
            before = count - removed

    async def _work_off(self, found: Sequence[DeadRows]) -> int:
        """Vacuum each table once, those excepted that rest; return how many dead rows were removed."""
        now, removed = asyncio.get_running_loop().time(), 0
        for each in found:
            if self._rests.get(each.table, (0, 0))[0] > now:
                continue
            try:
                left = await self._storage.vacuum(each.table)
            except Unavailable as error:
                _log.info("the table %s is left to autovacuum for a while: %s", each.table, error)
                left = each.count
            self._note(each.table, each.count, left)
            removed += each.count - left
        return removed

    def _note(self, table: str, dead: int, left: int) -> None:
        """Let a table rest whose dead rows are still there: an old transaction may see them, or autovacuum is at it."""
        if left < dead / 2:
            self._rests.pop(table, None)
            return
        rest = min(2 * self._rests.get(table, (0, FIRST_REST_S / 2))[1], LONGEST_REST_S)
        self._rests[table] = (asyncio.get_running_loop().time() + rest, rest)
