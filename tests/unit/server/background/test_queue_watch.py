"""The leader's look at pending work: all processes are told of its queues, a bounded number at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from uuid import UUID

import pytest

from server.background.queue_watch import QueueWatch
from server.domain.worker import Category
from server.engine.dispatch.wakeups import parse_nudge
from server.storage.due import PendingQueue, Place

TENANT = UUID(int=5)


class Database:
    """Pending workflows of one tenant by queue: the seconds until the first may be claimed; and the wake-ups sent."""

    def __init__(self, queues: Mapping[str, float]) -> None:
        self._queues = queues
        self.told: list[str] = []
        self.slept: list[float] = []

    async def look(self, after: Mapping[Category, Place], limit: int) -> Sequence[PendingQueue]:
        """Return the queues that follow, as far as the limit goes."""
        found = [name for name in sorted(self._queues) if (TENANT, name) > after[Category.WORKFLOW]]
        return [PendingQueue(Category.WORKFLOW, TENANT, name, self._queues[name]) for name in found[:limit]]

    async def tell(self, payloads: list[str]) -> None:
        """Remember the queues."""
        for payload in payloads:
            category, key = parse_nudge(payload)
            assert (category, key[0]) == (Category.WORKFLOW, TENANT)
            self.told.append(key[1])

    async def watch(self, monkeypatch: pytest.MonkeyPatch, looks: int, queues: int = 1000) -> None:
        """Look some times, without sleeping."""
        pending = asyncio.Event()
        pending.set()

        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            pending.set()
            if len(self.slept) == looks:
                raise EOFError

        monkeypatch.setattr(asyncio, "sleep", sleep)
        with pytest.raises(EOFError):
            await QueueWatch(self.look, self.tell, pending, queues).run()


async def test_all_queues_are_told_of_in_turn_when_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next look goes on where the last one ended, and begins anew after the last queue."""
    database = Database(dict.fromkeys("abcde", 0.0))
    await database.watch(monkeypatch, looks=4, queues=2)
    assert database.told == ["a", "b", "c", "d", "e", "a", "b"]


async def test_work_that_may_be_claimed_later_is_looked_for_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """No wake-up comes before, and other work is not looked for more rarely."""
    database = Database({"now": -3.0, "soon": 0.5, "later": 60.0})
    await database.watch(monkeypatch, looks=1)
    assert (database.told, database.slept) == (["now"], [0.5])
    database = Database({"later": 60.0})
    await database.watch(monkeypatch, looks=1)
    assert (database.told, database.slept) == ([], [2.0])
