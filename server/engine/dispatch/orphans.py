"""Releases work that a server process claimed right before it died: the answer may never have been sent.

A process that lives holds a lock on its number (``server.database.server_process``). Two sweeps in a row must find the
lock missing, because a living process loses it for a moment when its connection breaks. Then the work is released that
was claimed at the end: up to ``UNDELIVERED_S`` before the newest claim, and not longer than that before a sweep last
saw the process. All older claims have been answered; should such an answer be lost, the lease is there.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from core.errors import Unavailable
from server.engine.dispatch.wakeups import Waker
from server.storage.orphans import OrphanRepository, ProcessClaims

UNDELIVERED_S = 2.0
"""A claim is answered within this time, or its process does not answer at all."""

SWEEP_EVERY_S = 4.0

RECENT_S = 60.0
"""Sweeps look at claims of this age, in seconds; the first ones of a process look at all that a lease can hold."""

FIRST_SWEEPS = 3

_log = logging.getLogger(__name__)


class Orphans:
    """The sweep over claims of dead processes."""

    def __init__(self, storage: OrphanRepository, wake_workflow: Waker, wake_task: Waker, longest_lease: float) -> None:
        self._storage = storage
        self._wake_workflow = wake_workflow
        self._wake_task = wake_task
        self._longest_lease = longest_lease
        self._sweeps = 0
        self._missing: set[int] = set()
        self._seen: dict[int, datetime] = {}

    async def sweep(self) -> int:
        """Release the last claims of processes that are missing for the second time; return how many."""
        self._sweeps += 1
        found = await self._storage.claims(self._longest_lease if self._sweeps <= FIRST_SWEEPS else RECENT_S)
        dead = [each for each in found if not each.is_alive and each.number in self._missing]
        since = {each.number: self._undelivered_since(each) for each in dead}
        self._missing = {each.number for each in found if not each.is_alive}
        self._seen = {
            each.number: each.now if each.is_alive else self._seen[each.number]
            for each in found
            if each.is_alive or each.number in self._seen
        }
        return await self._release(since) if since else 0

    async def end(self, number: int | None) -> None:
        """Note that a process ends in good order and has answered its claims: no sweep looks for them."""
        try:
            if number is not None:
                await self._storage.disown(number, RECENT_S)
        except Unavailable:
            _log.warning("other processes may release work that was claimed in the last seconds of this one")

    def _undelivered_since(self, process: ProcessClaims) -> datetime:
        return max(process.newest, self._seen.get(process.number, process.newest)) - timedelta(seconds=UNDELIVERED_S)

    async def _release(self, since: dict[int, datetime]) -> int:
        workflows, tasks = await self._storage.release(since)
        for waker, pending in ((self._wake_workflow, workflows), (self._wake_task, tasks)):
            for tenant_id, queue, kind in pending:
                waker((tenant_id, queue), kind)
        return len(workflows) + len(tasks)
