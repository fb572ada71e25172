"""Lists and histories come from a standby, with a bound of their age, and from the primary when it is too far behind."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from falcon import testing

from core.errors import Unavailable
from server.config.settings import DatabasePool
from server.database import standby as standby_reads
from server.database.pool import open_pool, standby_pool
from server.database.refusals import StatementTimedOut
from server.database.standby import Acceptance, StandbyReads, accepting
from tests.support.calls import start
from tests.support.postgres import CrashingCluster, crashing_cluster
from tests.support.running import WORKER_KEY, Client, running_server

LIST = "/api/tenants/test/workflow-executions"
WITHIN_S = 30.0


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrashingCluster]:
    """A primary."""
    with crashing_cluster(tmp_path_factory.mktemp("primary")) as primary:
        yield primary


@pytest.fixture
def standby(primary: CrashingCluster, tmp_path: Path) -> Iterator[CrashingCluster]:
    """Its standby."""
    with primary.standby(tmp_path / "standby") as standby:
        yield standby


def _listed(answer: testing.Result) -> set[str]:
    assert answer.status_code == 200, answer.text
    return {each["id"] for each in answer.json["workflows"]}


@asynccontextmanager
async def _reading(primary: CrashingCluster, standby: CrashingCluster, max_age: str = "10") -> AsyncIterator[Client]:
    """Run a server that has read from the standby."""
    environ = {"DATABASE__READ_URL": standby.url(), "DATABASE__READ_MAX_AGE": max_age}
    async with running_server(primary.url(), (), None, **environ) as client:
        await _until_from_standby(client)
        yield client


async def _until_from_standby(client: Client, path: str = LIST) -> testing.Result:
    """Return an answer that came from the standby."""
    async with asyncio.timeout(WITHIN_S):
        while "age" not in (answer := await client.rest("GET", path, key=WORKER_KEY)).headers:
            assert answer.status_code == 200, answer.text
    return answer


async def test_lists_and_histories_come_from_the_standby_with_a_bound_of_their_age(
    primary: CrashingCluster, standby: CrashingCluster
) -> None:
    """The state that the standby alone cannot know is not in the answers while its replay is paused."""
    async with running_server(primary.url(), DATABASE__READ_URL=standby.url(), DATABASE__READ_MAX_AGE="60") as client:
        known = await start(client)
        await _until_from_standby(client)
        async with asyncio.timeout(WITHIN_S):
            while known not in _listed(await client.rest("GET", LIST, key=WORKER_KEY)):
                pass
        standby.execute("SELECT pg_wal_replay_pause()")
        new = await start(client)
        answer = await client.rest("GET", LIST, key=WORKER_KEY)
        assert 0 < int(answer.headers["age"]) <= 60
        assert _listed(answer) >= {known}
        assert new not in _listed(answer)
        history = await client.rest("GET", f"{LIST}/{known}/events", key=WORKER_KEY)
        assert "age" in history.headers
        assert [each["eventType"] for each in history.json["events"]] == ["WORKFLOW_STARTED"]


async def test_all_other_reads_are_of_the_primary(primary: CrashingCluster, standby: CrashingCluster) -> None:
    """A workflow can be read at once after its start, however far the standby is behind."""
    async with _reading(primary, standby) as client:
        standby.execute("SELECT pg_wal_replay_pause()")
        new = await start(client)
        answer = await client.rest("GET", f"{LIST}/{new}", key=WORKER_KEY)
        assert (answer.status_code, answer.headers.get("age")) == (200, None)


@pytest.mark.parametrize("wish", ["no-cache", "max-age=0", "private, No-Cache"])
async def test_a_client_may_ask_for_the_primary(primary: CrashingCluster, standby: CrashingCluster, wish: str) -> None:
    """Its list has what was started before."""
    async with _reading(primary, standby) as client:
        standby.execute("SELECT pg_wal_replay_pause()")
        new = await start(client)
        headers = [("authorization", f"Bearer {WORKER_KEY}"), ("cache-control", wish)]
        answer = await client.rest("GET", LIST, headers=headers)
        assert "age" not in answer.headers
        assert new in _listed(answer)


async def test_a_standby_that_is_too_far_behind_is_not_read_from(
    primary: CrashingCluster, standby: CrashingCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """Answers lack a new workflow for no longer than the bound; the log says once that the primary serves."""
    caplog.set_level(logging.INFO, logger=standby_reads.__name__)
    async with _reading(primary, standby, "1") as client:
        standby.execute("SELECT pg_wal_replay_pause()")
        new = await start(client)
        started = time.monotonic()
        async with asyncio.timeout(WITHIN_S):
            while True:
                asked = time.monotonic()
                answer = await client.rest("GET", LIST, key=WORKER_KEY)
                if new in _listed(answer):
                    break
                assert asked - started <= 1
                assert int(answer.headers["age"]) == 1
        assert "age" not in answer.headers
        assert len([each for each in caplog.messages if "from the primary, not from the standby" in each]) == 1
        standby.execute("SELECT pg_wal_replay_resume()")
        assert new in _listed(await _until_from_standby(client))
        assert any("from the standby again" in each for each in caplog.messages)


async def test_lists_go_on_without_the_standby(primary: CrashingCluster, standby: CrashingCluster) -> None:
    """It stops while the server runs: the primary serves lists, and the standby again when it is back."""
    async with _reading(primary, standby) as client:
        standby.crash()
        new = await start(client)
        answer = await client.rest("GET", LIST, key=WORKER_KEY)
        assert "age" not in answer.headers
        assert new in _listed(answer)
        await asyncio.to_thread(standby.come_back)
        assert new in _listed(await _until_from_standby(client))


async def test_a_server_starts_without_its_standby(primary: CrashingCluster) -> None:
    """The primary serves its lists."""
    async with running_server(
        primary.url(), DATABASE__READ_URL="postgres://postgres@/postgres?host=/nowhere"
    ) as client:
        new = await start(client)
        answer = await client.rest("GET", LIST, key=WORKER_KEY)
        assert "age" not in answer.headers
        assert new in _listed(answer)


async def test_another_cluster_is_never_read_from(
    primary: CrashingCluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even a standby of it: its positions mean nothing here."""
    with crashing_cluster(tmp_path / "other") as other, other.standby(tmp_path / "its standby") as its_standby:
        async with running_server(primary.url(), DATABASE__READ_URL=its_standby.url()) as client:
            new = await start(client)
            answer = await client.rest("GET", LIST, key=WORKER_KEY)
            assert "age" not in answer.headers
            assert new in _listed(answer)
            assert any("another cluster" in each for each in caplog.messages)


async def test_a_promoted_standby_is_not_read_from(
    primary: CrashingCluster,
    standby: CrashingCluster,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It goes its own way from then on."""
    monkeypatch.setattr(standby_reads, "CHECK_EVERY_S", 0.0)
    async with _reading(primary, standby) as client:
        await asyncio.to_thread(standby.promote)
        async with asyncio.timeout(WITHIN_S):
            while "age" in (await client.rest("GET", LIST, key=WORKER_KEY)).headers:
                pass
        assert any("is not a standby" in each for each in caplog.messages)
        assert await start(client) in _listed(await client.rest("GET", LIST, key=WORKER_KEY))


async def test_a_read_that_its_standby_ends_is_to_be_tried_again(
    primary: CrashingCluster, standby: CrashingCluster
) -> None:
    """It stood in the way of what the standby replays; the primary serves its repetition."""
    standby.execute("ALTER SYSTEM SET max_standby_streaming_delay = 0")
    standby.execute("SELECT pg_reload_conf()")
    async with _standby_reads(primary, standby) as reads:
        primary.execute("CREATE TABLE goes AS SELECT 1 AS one")
        with accepting() as read:
            await _until(reads, read)
            with pytest.raises(Unavailable):
                await _stand_in_the_way(reads, primary)
            read.age = None
            async with reads.connection() as connection:
                await connection.execute("SELECT 1")
            assert read.age is None


async def test_a_search_that_is_too_broad_is_no_fault_of_the_standby(
    primary: CrashingCluster, standby: CrashingCluster
) -> None:
    """The next call reads from the standby."""
    async with _standby_reads(primary, standby) as reads:
        with accepting() as read:
            await _until(reads, read)
            with pytest.raises(StatementTimedOut):
                await _search_for_too_long(reads)
            read.age = None
            async with reads.connection() as connection:
                await connection.execute("SELECT 1")
            assert read.age is not None


async def _search_for_too_long(reads: StandbyReads) -> None:
    async with reads.transaction() as connection:
        await connection.execute("SET LOCAL statement_timeout = 1")
        await connection.execute("SELECT pg_sleep(30)")


async def _stand_in_the_way(reads: StandbyReads, primary: CrashingCluster) -> None:
    """Hold a lock on a table that the primary drops."""
    async with reads.transaction() as connection:
        await connection.execute("SELECT one FROM goes")
        await asyncio.to_thread(primary.execute, "DROP TABLE goes")
        async with asyncio.timeout(WITHIN_S):
            while True:
                await connection.execute("SELECT 1")


@asynccontextmanager
async def _standby_reads(primary: CrashingCluster, standby: CrashingCluster) -> AsyncIterator[StandbyReads]:
    settings = DatabasePool()
    async with open_pool(primary.url(), settings) as pool, standby_pool(standby.url(), settings, pool) as other:
        reads = StandbyReads(pool, other, 60)
        yield reads
        await reads.close()


async def _until(reads: StandbyReads, read: Acceptance) -> None:
    """Read until the standby serves, and has the newest of the primary."""
    async with asyncio.timeout(WITHIN_S):
        while read.age is None:
            async with reads.connection() as connection:
                await connection.execute("SELECT 1")
