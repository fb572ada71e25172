"""Sweeps release the last claims of processes that have died, and of no others."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from core.errors import Unavailable
from server.engine.dispatch.orphans import FIRST_SWEEPS, RECENT_S, UNDELIVERED_S, Orphans
from server.storage.orphans import ProcessClaims

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
UNDELIVERED = timedelta(seconds=UNDELIVERED_S)
LEASE_S = 900.0
WORK = (UUID(int=1), "q", "k")


class _Storage:
    """The claims of processes, as the test sets them, and the sweeps' calls."""

    def __init__(self) -> None:
        self.processes: list[ProcessClaims] = []
        self.ages: list[float] = []
        self.released: list[dict[int, datetime]] = []
        self.disowned: list[int] = []
        self.is_away = False

    async def claims(self, age: float) -> list[ProcessClaims]:
        """Return the processes."""
        self.ages.append(age)
        return self.processes

    async def release(self, since: Mapping[int, datetime]) -> tuple[list[Any], ...]:
        """Release one workflow, two tasks and an agent."""
        self.released.append(dict(since))
        return [WORK], [WORK, WORK], [WORK]

    async def disown(self, number: int, _age: float) -> None:
        """Record the process."""
        if self.is_away:
            raise Unavailable("away")
        self.disowned.append(number)


class _Bench:
    def __init__(self) -> None:
        self.storage = _Storage()
        self.woken: list[tuple[str, str]] = []
        storage: Any = self.storage
        wakers: Any = [partial(self._wake, category) for category in ("workflow", "task", "agent")]
        self.orphans = Orphans(storage, wakers, LEASE_S)

    def _wake(self, category: str, _key: object, kind: str) -> None:
        self.woken.append((category, kind))

    async def sweep(self, *, alive: bool, seconds: float = 0.0, newest: datetime = NOW) -> int:
        """Sweep ``seconds`` after ``NOW``."""
        self.storage.processes = [ProcessClaims(7, newest, NOW + seconds * SECOND, alive)]
        return await self.orphans.sweep()


async def test_a_lock_that_is_missing_twice_releases_the_last_claims() -> None:
    """A living process may lose its lock for a moment. One poller is woken for each piece of work."""
    bench = _Bench()
    assert [await bench.sweep(alive=False) for _ in range(2)] == [0, 4]
    assert bench.storage.released == [{7: NOW - UNDELIVERED}]
    assert bench.woken == [("workflow", "k"), ("task", "k"), ("task", "k"), ("agent", "k")]


async def test_a_lock_that_comes_back_releases_nothing() -> None:
    """The next loss must again be seen twice."""
    bench = _Bench()
    assert [await bench.sweep(alive=alive) for alive in (False, True, False, True)] == [0, 0, 0, 0]
    assert bench.storage.released == []


async def test_claims_that_a_living_process_has_answered_stay() -> None:
    """A sweep that found the process alive later than its newest claim narrows the time."""
    bench = _Bench()
    await bench.sweep(alive=True, seconds=60)
    await bench.sweep(alive=False, seconds=64)
    assert await bench.sweep(alive=False, seconds=68) == 4
    assert bench.storage.released == [{7: NOW + 60 * SECOND - UNDELIVERED}]


async def test_the_first_sweeps_read_the_claims_of_a_whole_lease() -> None:
    """Another process may have died before this one began."""
    bench = _Bench()
    for _ in range(FIRST_SWEEPS + 1):
        await bench.sweep(alive=True)
    assert bench.storage.ages == [LEASE_S] * FIRST_SWEEPS + [RECENT_S]


async def test_a_regular_end_is_recorded(caplog: pytest.LogCaptureFixture) -> None:
    """Without a number there is nothing to record; an unavailable database is logged and stops nothing."""
    bench = _Bench()
    await bench.orphans.end(None)
    await bench.orphans.end(7)
    bench.storage.is_away = True
    await bench.orphans.end(7)
    assert bench.storage.disowned == [7]
    assert len(caplog.records) == 1
