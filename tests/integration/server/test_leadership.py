"""One process of a deployment leads; another takes over when that one stops, dies or loses the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

import psycopg
import pytest

from core.errors import Unavailable
from server.database.exclusive import AdvisoryLocks
from server.database.leadership import BEAT, LEADER, Leadership
from server.database.notifications import Notifications
from server.database.server_process import ServerProcess
from tests.support.driving import Calls, start_timer
from tests.support.processes import KillableServer, killable_server
from tests.support.running import Client, running_server

WAIT_S = 20


class Member:
    """Stands for a process of a deployment: its locks, and whether it leads."""

    def __init__(self, database: str) -> None:
        self.locks = AdvisoryLocks(database)
        self.leadership = Leadership(self.locks)
        self.task = asyncio.create_task(self.leadership.run())

    async def leads(self) -> None:
        """Wait until it leads."""
        async with asyncio.timeout(WAIT_S), self.leadership.leading():
            pass

    async def stop(self) -> None:
        """Stop as a process stops."""
        self.task.cancel()
        await asyncio.wait([self.task])
        await self.locks.close()


@asynccontextmanager
async def _members(database: str, count: int) -> AsyncIterator[Sequence[Member]]:
    members = [Member(database) for _ in range(count)]
    try:
        yield members
    finally:
        for member in members:
            await member.stop()


def _leaders(members: Sequence[Member]) -> list[Member]:
    return [member for member in members if member.leadership.leads]


async def _one_leads(members: Sequence[Member]) -> Member:
    async with asyncio.timeout(WAIT_S):
        while not _leaders(members):
            await asyncio.sleep(0)
    (leader,) = _leaders(members)
    return leader


def _end_holder(database: str) -> None:
    """End the connection that holds the lock, as the death of its process does."""
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )


async def test_one_of_many_leads_and_the_others_ask_no_more_while_they_hear_it(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has tried the lock once; an announcement puts off the next attempt."""
    monkeypatch.setattr("server.database.leadership.SILENCE_S", 0.2)
    attempts = 0
    attempt = AdvisoryLocks.attempt

    def counted(self: AdvisoryLocks, name: str) -> object:
        nonlocal attempts
        attempts += 1
        return attempt(self, name)

    monkeypatch.setattr(AdvisoryLocks, "attempt", counted)
    async with _members(database, 4) as members:
        await _one_leads(members)
        async with asyncio.timeout(WAIT_S):
            while attempts < 4:
                await asyncio.sleep(0)
        tried = attempts
        for _ in range(20):  # for much longer than the silence
            await asyncio.sleep(0.05)
            for member in members:
                member.leadership.heard("")
        assert attempts <= tried + 1  # one that began before the first announcement
        async with asyncio.timeout(WAIT_S):
            while attempts < tried + 4:  # and without announcements, each tries again
                await asyncio.sleep(0.01)
        assert len(_leaders(members)) == 1


async def test_a_leader_that_stops_tells_the_others(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The free lock is announced; no process waits for a time of silence."""
    monkeypatch.setattr("server.database.leadership.SILENCE_S", 3600)
    async with _members(database, 2) as members:
        leader = await _one_leads(members)
        (other,) = set(members) - {leader}
        listening = Notifications(database, {"flovyn_free": other.leadership.freed}, lambda: None, ServerProcess())
        hearing = asyncio.create_task(listening.run())
        await asyncio.wait_for(listening.connected.wait(), WAIT_S)
        await leader.stop()
        await other.leads()
        hearing.cancel()


async def test_a_leader_that_loses_its_connection_leads_no_more(database: str) -> None:
    """The work of the leader is cancelled at once, because another process may lead by now."""
    async with _members(database, 1) as (member,):
        inside = asyncio.Event()

        async def work() -> None:
            async with member.leadership.leading():
                inside.set()
                await asyncio.Event().wait()

        working = asyncio.create_task(work())
        await asyncio.wait_for(inside.wait(), WAIT_S)
        _end_holder(database)
        with pytest.raises(Unavailable, match=LEADER):
            await asyncio.wait_for(working, WAIT_S)
        assert not member.leadership.leads
        with pytest.raises(Unavailable, match=LEADER):
            await member.task


async def test_another_leads_after_a_silence_when_the_leader_dies(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The death of a process is not announced."""
    monkeypatch.setattr("server.database.leadership.SILENCE_S", 0.1)
    async with _members(database, 2) as members:
        leader = await _one_leads(members)
        (other,) = set(members) - {leader}
        _end_holder(database)
        await other.leads()


async def test_the_leader_announces_itself_while_there_is_nothing_to_do(database: str) -> None:
    """The other processes hear it several times before they would count it as silent."""
    heard = asyncio.Semaphore(0)
    listening = Notifications(database, {BEAT: lambda _payload: heard.release()}, lambda: None, ServerProcess())
    async with running_server(database):
        hearing = asyncio.create_task(listening.run())
        async with asyncio.timeout(WAIT_S):
            for _ in range(2):
                await heard.acquire()
        hearing.cancel()


async def test_a_timer_of_a_killed_leader_is_fired_by_another_process(database: str) -> None:
    """The survivor takes over, and looks at once."""
    async with killable_server(database) as killed, running_server(database) as survivor:
        await _start_a_timer_and_kill(killed, survivor)


async def test_a_timer_of_a_killed_process_is_fired_by_the_leader(database: str) -> None:
    """The leader looks for what others made."""
    async with running_server(database) as survivor, killable_server(database) as killed:
        await _start_a_timer_and_kill(killed, survivor)


async def _start_a_timer_and_kill(killed: KillableServer, survivor: Client) -> None:
    calls = Calls(cast("Client", killed))  # it needs no more than the connection
    workflow_id = await calls.start()
    await calls.claim()
    await calls.submit(workflow_id, start_timer("t", 1500))
    await killed.kill()
    await Calls(survivor).until_event(workflow_id, "TIMER_FIRED")
