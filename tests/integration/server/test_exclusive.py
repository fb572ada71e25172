"""Locks of a deployment: one inside at a time, whatever is lost or cancelled on the way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import psycopg
import pytest

from core.errors import Unavailable
from server.database.exclusive import AdvisoryLocks
from tests.support.repetitions import times

WAIT_S = 20


@asynccontextmanager
async def _processes(database: str, count: int) -> AsyncIterator[list[AdvisoryLocks]]:
    """Stand-ins for processes: each has a connection of its own."""
    processes = [AdvisoryLocks(database) for _ in range(count)]
    try:
        yield processes
    finally:
        for each in processes:
            await each.close()


async def _hold(locks: AdvisoryLocks, name: str) -> tuple[asyncio.Task[None], asyncio.Event]:
    """Enter in a task of its own, and return it with what is set once it is inside."""
    inside = asyncio.Event()

    async def work() -> None:
        async with locks.exclusively(name):
            inside.set()
            await asyncio.Event().wait()

    return asyncio.create_task(work()), inside


async def _within(awaitable: Awaitable[object]) -> None:
    await asyncio.wait_for(asyncio.ensure_future(awaitable), WAIT_S)


def _terminate(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )


@pytest.mark.parametrize("processes", [1, 3])
async def test_never_two_are_inside(database: str, processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks of one process and of several, some of them cancelled at any moment: one at a time, and all get in."""
    monkeypatch.setattr("server.database.exclusive.LOOK_EVERY_S", 0.01)
    inside: set[int] = set()
    most, entered = 0, 0
    chance = random.Random(7)  # noqa: S311 - the interleaving, from a seed

    async def work(locks: AdvisoryLocks, number: int) -> None:
        nonlocal most, entered
        async with locks.exclusively("work"):
            inside.add(number)
            most, entered = max(most, len(inside)), entered + 1
            await asyncio.sleep(0)
            inside.discard(number)

    async with _processes(database, processes) as all_locks:
        count = times(30, 1000)
        tasks = [asyncio.create_task(work(chance.choice(all_locks), number)) for number in range(count)]
        for task in chance.sample(tasks, count // 3):
            for _ in range(chance.randrange(50)):
                await asyncio.sleep(0)
            task.cancel()
        ended = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 6 * WAIT_S)
    assert most == 1
    assert entered >= sum(each is None for each in ended) >= count - count // 3


async def test_other_names_are_others_business(database: str) -> None:
    """A lock keeps out callers of the same name and no others; the next one gets in when it is free."""
    async with _processes(database, 2) as (one, two):
        first, inside = await _hold(one, "a")
        await _within(inside.wait())
        second, entered = await _hold(two, "a")
        async with asyncio.timeout(WAIT_S), two.exclusively("b"), one.exclusively("c"):
            assert not entered.is_set()
        first.cancel()
        await _within(entered.wait())
        second.cancel()


async def test_losing_the_connection_ends_the_work(database: str) -> None:
    """When it is gone, another may be inside: the body is cancelled, and may try again."""
    async with _processes(database, 1) as (locks,):
        working, inside = await _hold(locks, "a")
        await _within(inside.wait())
        _terminate(database)
        with pytest.raises(Unavailable, match="'a'"):
            await asyncio.wait_for(working, WAIT_S)
        async with asyncio.timeout(WAIT_S), locks.exclusively("a"):
            pass


async def test_a_late_leaver_does_not_open_the_door_of_the_next(database: str) -> None:
    """A process that lost the lock and leaves late does not unlock it for its present holder."""
    leave = asyncio.Event()
    lost = asyncio.Event()

    async def slow(locks: AdvisoryLocks, inside: asyncio.Event) -> None:
        async with locks.exclusively("a"):
            inside.set()
            try:
                await asyncio.Event().wait()
            finally:
                lost.set()
                await leave.wait()

    async with _processes(database, 2) as (one, two):
        inside = asyncio.Event()
        late = asyncio.create_task(slow(one, inside))
        await _within(inside.wait())
        _terminate(database)
        await _within(lost.wait())
        working, entered = await _hold(one, "a")
        await _within(entered.wait())
        leave.set()
        with pytest.raises(Unavailable):
            await late
        third, opened = await _hold(two, "a")
        async with asyncio.timeout(WAIT_S), two.exclusively("b"):
            assert not opened.is_set()
        assert not working.done()
        for task in (working, third):
            task.cancel()


async def test_stopping_is_no_loss(database: str) -> None:
    """A cancelled body stays cancelled, and the lock is free."""
    async with _processes(database, 2) as (one, two):
        working, inside = await _hold(one, "a")
        await _within(inside.wait())
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        async with asyncio.timeout(WAIT_S), two.exclusively("a"):
            pass


async def test_a_connection_lost_just_before_leaving_cancels_no_body(database: str) -> None:
    """A body that leaves by itself goes on, whatever happened to the lock."""
    async with _processes(database, 1) as (locks,):

        async def work() -> None:
            async with locks.exclusively("a"):
                _terminate(database)  # nothing else runs before we leave
            async with locks.exclusively("b"):  # by now, the loss was seen
                pass

        await _within(asyncio.create_task(work()))


async def test_a_lock_that_is_lost_before_its_holder_wakes_admits_no_body(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keeper sees the loss while the waiter still believes to have been let in."""
    look = AdvisoryLocks._look

    async def look_and_lose(self: AdvisoryLocks) -> None:
        await look(self)
        raise psycopg.OperationalError

    monkeypatch.setattr(AdvisoryLocks, "_look", look_and_lose)
    async with _processes(database, 1) as (locks,):
        with pytest.raises(Unavailable, match="'a'"):
            async with locks.exclusively("a"):
                pytest.fail("it is inside without the lock")


async def test_a_body_that_has_left_is_not_held_up_by_a_silent_database(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leaving waits for nothing, so that no cancellation can get between it and the unlocking."""
    unlocking = "SELECT pg_sleep(600) FROM unnest(%(names)s::text[])"
    async with _processes(database, 2) as (one, two):
        working, inside = await _hold(one, "a")
        await _within(inside.wait())
        monkeypatch.setattr("server.database.exclusive.UNLOCK", unlocking)
        working.cancel()
        ended, _ = await asyncio.wait([working], timeout=WAIT_S)
        assert ended
        monkeypatch.undo()
        _terminate(database)
        for locks in (one, two):
            async with asyncio.timeout(WAIT_S), locks.exclusively("a"):
                pass


async def test_a_connection_that_falls_silent_ends_the_work(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an answer in time the lock counts as lost, and the body ends."""
    monkeypatch.setattr("server.database.exclusive.CHECK_EVERY_S", 0.01)
    async with _processes(database, 1) as (locks,):
        working, inside = await _hold(locks, "a")
        await _within(inside.wait())
        monkeypatch.setattr("server.database.exclusive.ANSWER_WITHIN_S", 0.2)
        monkeypatch.setattr(
            "server.database.exclusive.TRY", "SELECT pg_sleep(600) FROM unnest(%(names)s::text[] || 'a'::text)"
        )
        with pytest.raises(Unavailable, match="'a'"):
            await asyncio.wait_for(working, WAIT_S)


async def test_losing_two_locks_ends_both_bodies(database: str) -> None:
    """One inside the other: going on after the inner loss does not go on without the outer lock."""
    went_on = False
    async with _processes(database, 1) as (locks,):
        inside = asyncio.Event()

        async def work() -> None:
            nonlocal went_on
            async with locks.exclusively("a"):
                with suppress(Unavailable):
                    async with locks.exclusively("b"):
                        inside.set()
                        await asyncio.Event().wait()
                went_on = True

        working = asyncio.create_task(work())
        await _within(inside.wait())
        _terminate(database)
        with pytest.raises(Unavailable, match="'a'"):
            await asyncio.wait_for(working, WAIT_S)
    assert not went_on


async def test_a_process_has_one_connection_for_all_its_locks(database: str) -> None:
    """Forty plugins that wait do not take forty connections; without locks there is none."""
    count: Callable[[], int] = lambda: _connections(database)  # noqa: E731
    async with _processes(database, 1) as (locks,):
        held = [await _hold(locks, f"name {number}") for number in range(40)]
        for _, inside in held:
            await _within(inside.wait())
        assert count() == 1
        for task, _ in held:
            task.cancel()
        await asyncio.gather(*(task for task, _ in held), return_exceptions=True)
        async with asyncio.timeout(WAIT_S):
            while count():
                await asyncio.sleep(0)


def _connections(database: str) -> int:
    with psycopg.connect(database, autocommit=True) as admin:
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        row = admin.execute(query).fetchone()
    assert row is not None
    return int(row[0])
