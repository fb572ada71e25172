"""Orphans: claims that a server process made right before it died. Their answers may never have been sent.

A living process holds an advisory lock on its number (``server.database.server_process``). It loses the lock for a
moment when its connection breaks, so that two sweeps in a row must find the lock missing. Then the last claims of the
process are released: those at most ``UNDELIVERED_S`` older than its newest claim, and at most ``UNDELIVERED_S`` older
than the last sweep that found it alive. All older claims were answered; if such an answer was lost, the lease ends the
claim.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from core.errors import Unavailable
from server.engine.dispatch.wakeups import Waker
from server.storage.orphans import OrphanRepository, ProcessClaims

UNDELIVERED_S = 2.0
"""A living process answers a claim within this time, in seconds."""

SWEEP_EVERY_S = 4.0
"""The time from one sweep to the next, in seconds."""

RECENT_S = 60.0
"""The age of the claims that a sweep reads, in seconds; the first sweeps read the claims of a whole lease."""

FIRST_SWEEPS = 3
"""The number of sweeps that read the claims of a whole lease: two must find a lock missing, and one may fail."""

_log = logging.getLogger(__name__)


class Orphans:
    """Sweeps over the claims of dead processes. ``wakers``: for workflow executions, task executions and agents."""

    def __init__(self, storage: OrphanRepository, wakers: Sequence[Waker], longest_lease: float) -> None:
        self._storage = storage
        self._wakers = wakers
        self._longest_lease = longest_lease
        self._sweeps = 0
        self._missing: set[int] = set()
        self._seen: dict[int, datetime] = {}

    async def sweep(self) -> int:
        """Release the last claims of processes whose locks are missing for the second time; return their number."""
        self._sweeps += 1
        processes = await self._storage.claims(self._longest_lease if self._sweeps <= FIRST_SWEEPS else RECENT_S)
        dead = [each for each in processes if not each.is_alive and each.number in self._missing]
        since = {each.number: self._undelivered_since(each) for each in dead}
        self._missing = {each.number for each in processes if not each.is_alive}
        self._seen = {
            each.number: each.now if each.is_alive else self._seen[each.number]
            for each in processes
            if each.is_alive or each.number in self._seen
        }
        return await self._release(since) if since else 0

    async def end(self, number: int | None) -> None:
        """Record that a process stops regularly and has answered its claims: no sweep releases them."""
        try:
            if number is not None:
                await self._storage.disown(number, RECENT_S)
        except Unavailable:
            _log.warning(
                "the end of this process could not be recorded: others may release its claims of the last seconds"
            )

    def _undelivered_since(self, process: ProcessClaims) -> datetime:
        return max(process.newest, self._seen.get(process.number, process.newest)) - timedelta(seconds=UNDELIVERED_S)

    async def _release(self, since: dict[int, datetime]) -> int:
        released = await self._storage.release(since)
        for waker, pending in zip(self._wakers, released, strict=True):
            for tenant_id, queue, kind in pending:
                waker((tenant_id, queue), kind)
        return sum(map(len, released))
