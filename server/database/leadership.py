"""One process of a deployment leads: it runs all work that looks through the whole database.

The leader holds an advisory lock. The others do not ask for it again and again, which would cost more with every
process. Nor do they wait inside ``pg_advisory_lock``: the snapshot of that statement would keep VACUUM from removing
dead rows. They listen. The leader announces itself every few seconds, with a statement that it needs anyway. They try
the lock when they have heard nothing for a while, or when it is announced as free.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from core.errors import Unavailable
from server.database.exclusive import AdvisoryLocks, Turn

LEADER = "leader"
"""The name of the lock."""

BEAT = "flovyn_leader"
"""The channel on which the leader announces itself."""

BEAT_EVERY_S = 2.0
"""How often the leader announces itself at least, while the database answers."""

SILENCE_S = 4.5
"""After this time without an announcement, the other processes try to lead: two announcements were lost."""

_log = logging.getLogger(__name__)


class Leadership:
    """Whether this process leads, and what runs while it does; see ``core.service.Service``."""

    name = "leadership"

    def __init__(self, locks: AdvisoryLocks) -> None:
        """Take the locks of the process."""
        self._locks = locks
        self._leads = asyncio.Event()
        self._vacant = asyncio.Event()
        self._heard = 0.0
        self._turns: set[Turn] = set()

    @property
    def leads(self) -> bool:
        """Whether this process leads."""
        return self._leads.is_set()

    @asynccontextmanager
    async def leading(self) -> AsyncIterator[None]:
        """Wait until this process leads; any number of tasks of the process may be inside.

        Raises:
            Unavailable: the process has lost the lead with a database connection; the body was cancelled.
        """
        while not self._leads.is_set():  # the lead may be lost between the event and this task's waking
            await self._leads.wait()
        turn = Turn(LEADER)
        self._turns.add(turn)
        try:
            with turn.inside():
                yield
        finally:
            self._turns.discard(turn)

    def heard(self, _payload: str) -> None:
        """Take an announcement of the leader."""
        self._heard = asyncio.get_running_loop().time()

    def freed(self, name: str) -> None:
        """Take the announcement that a lock is free."""
        if name == LEADER:
            self._vacant.set()

    async def run(self) -> None:
        """Lead whenever no other process does, until cancelled."""
        try:
            while True:
                self._vacant.clear()
                async with self._locks.attempt(LEADER) as leads:
                    if leads:
                        await self._lead()
                await self._until_vacant()
        except Unavailable:
            for turn in tuple(self._turns):
                turn.lose()
            raise

    async def _lead(self) -> None:
        _log.info("this process leads the deployment: it runs timers that were left behind, reapers and clean-up")
        self._leads.set()
        try:
            await asyncio.Event().wait()
        finally:
            self._leads.clear()

    async def _until_vacant(self) -> None:
        """Wait until the lock is announced as free, or the leader has been silent for too long."""
        loop = asyncio.get_running_loop()
        self._heard = loop.time()  # it was there a moment ago
        while not self._vacant.is_set() and (left := self._heard + SILENCE_S - loop.time()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._vacant.wait()
