"""Leadership: one process of a deployment, the leader, runs all work over the whole database.

The leader holds an advisory lock. The other processes do not poll for the lock, because the cost would grow with every
process. They do not wait inside of ``pg_advisory_lock`` either: the snapshot of that statement would keep VACUUM from
removing dead rows. The leader announces itself every few seconds, in a statement that it sends anyway. The others
listen, and try the lock when they hear no announcement for a while, or when the lock is announced as free.
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
"""The longest time between two announcements of the leader, while the database answers."""

SILENCE_S = 4.5
"""After this time without an announcement, other processes try the lock: two announcements were missed."""

_log = logging.getLogger(__name__)


class Leadership:
    """The service that makes this process the leader when no other process is; see ``core.service.Service``."""

    name = "leadership"

    def __init__(self, locks: AdvisoryLocks) -> None:
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
        """Wait until this process leads; any number of its tasks may be inside of the context.

        Raises:
            Unavailable: the connection that holds the lock was lost; the body was cancelled.
        """
        while not self._leads.is_set():  # the lead may be lost between the event and the next step of this task
            await self._leads.wait()
        turn = Turn(LEADER)
        self._turns.add(turn)
        try:
            with turn.inside():
                yield
        finally:
            self._turns.discard(turn)

    def heard(self, _payload: str) -> None:
        """Record an announcement of the leader."""
        self._heard = asyncio.get_running_loop().time()

    def freed(self, name: str) -> None:
        """Record the announcement that the lock ``name`` is free."""
        if name == LEADER:
            self._vacant.set()

    async def run(self) -> None:
        """Lead whenever no other process leads, until cancelled."""
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
        _log.info("this process is now the leader of the deployment: it runs sweeps, reapers and due work")
        self._leads.set()
        try:
            await asyncio.Event().wait()
        finally:
            self._leads.clear()

    async def _until_vacant(self) -> None:
        """Wait until the lock is announced as free, or the leader has been silent for too long."""
        loop = asyncio.get_running_loop()
        self._heard = loop.time()  # another process holds the lock at this moment
        while not self._vacant.is_set() and (left := self._heard + SILENCE_S - loop.time()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._vacant.wait()
