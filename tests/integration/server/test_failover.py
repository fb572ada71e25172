"""A standby is promoted: the server writes to the new primary, loses nothing, and never goes back to the old one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import grpc
import psycopg
import pytest

from core.errors import Unavailable
from server.config.settings import DatabasePool
from server.database import primaries
from server.database.connecting import Connection, connect
from server.database.pool import Pool, open_pool
from server.database.primaries import forget_primaries
from tests.support.calls import start
from tests.support.postgres import CrashingCluster, crashing_cluster
from tests.support.running import Client, running_server

WITHIN_S = 60.0
CALLERS = 8


@pytest.fixture
def primary(tmp_path: Path) -> Iterator[CrashingCluster]:
    """A primary that acknowledges a commit when a standby has it."""
    forget_primaries()
    with crashing_cluster(tmp_path, durable=True) as primary:
        yield primary


@pytest.fixture
def standby(primary: CrashingCluster, tmp_path: Path) -> Iterator[CrashingCluster]:
    """Its standby."""
    with primary.standby(tmp_path / "standby") as standby:
        primary.wait_for_standbys()
        yield standby


def _both(primary: CrashingCluster, standby: CrashingCluster) -> str:
    """Return an address of both, the primary first."""
    return f"postgres://postgres@/postgres?host={primary.socket.parent},{standby.socket.parent}"


async def _rows(cluster: CrashingCluster) -> set[str]:
    async with await psycopg.AsyncConnection.connect(cluster.url()) as connection:
        rows = await (await connection.execute("SELECT id::text FROM workflow_execution")).fetchall()
    return {row[0] for row in rows}


class _Load:
    """Callers that start workflows one after the other, whatever the answers."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.acknowledged: set[str] = set()
        self._news = asyncio.Condition()
        self._callers = [asyncio.create_task(self._call()) for _ in range(CALLERS)]

    async def _call(self) -> None:
        while True:
            try:
                acknowledged = await start(self._client)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                continue
            async with self._news:
                self.acknowledged.add(acknowledged)
                self._news.notify_all()

    async def more(self, count: int) -> None:
        """Wait for more acknowledged starts."""
        wanted = len(self.acknowledged) + count
        async with asyncio.timeout(WITHIN_S), self._news:
            await self._news.wait_for(lambda: len(self.acknowledged) >= wanted or any(c.done() for c in self._callers))

    async def stop(self) -> None:
        """Let no caller call any more."""
        for caller in self._callers:
            caller.cancel()
        results = await asyncio.gather(*self._callers, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in results), results


async def test_nothing_acknowledged_is_lost_and_the_old_primary_is_left(
    primary: CrashingCluster, standby: CrashingCluster
) -> None:
    """The primary dies under load and comes back: it stays as it was, for old connections, new ones and new processes."""
    address = _both(primary, standby)
    async with running_server(address) as client:
        load = _Load(client)
        await load.more(50)
        primary.crash()
        await asyncio.to_thread(standby.promote)
        await load.more(50)
        await asyncio.to_thread(primary.come_back)
        before = await _rows(primary)
        await _end_all(standby)
        await load.more(50)
        await load.stop()
        assert load.acknowledged <= await _rows(standby)
        assert await _rows(primary) == before
    forget_primaries()
    async with open_pool(address, DatabasePool()) as pool:
        assert await _server_of(pool) == standby.folder / "standby"
        standby.crash()
        await pool.writes.close()
        with pytest.raises(Unavailable):
            await _server_of(pool)


async def _end_all(cluster: CrashingCluster) -> None:
    """End all connections of the server."""
    async with await psycopg.AsyncConnection.connect(cluster.url(), autocommit=True) as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'flovyn-server'"
        )


async def _server_of(pool: Pool) -> Path:
    async with pool.connection() as connection:
        row = await (await connection.execute("SHOW data_directory")).fetchone()
    assert row is not None
    return Path(row[0])


async def test_a_connection_to_an_old_primary_is_left_when_the_new_one_is_known(
    primary: CrashingCluster, standby: CrashingCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old primary goes on, cut off from its standby only: one new connection tells the whole process."""
    address = _both(primary, standby)
    primary.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
    primary.execute("SELECT pg_reload_conf()")
    async with open_pool(address, DatabasePool()) as pool:
        assert await _server_of(pool) == primary.folder / "postgres"
        await asyncio.to_thread(standby.promote)
        monkeypatch.setattr(primaries, "ASK_EVERY_S", 0.0)
        await (await connect(address, timeout=5)).close()
        assert await _server_of(pool) == standby.folder / "standby"


async def test_a_commit_that_no_standby_has_is_not_acknowledged(
    primary: CrashingCluster, standby: CrashingCluster
) -> None:
    """PostgreSQL answers it as committed when its wait for the standby is cancelled."""
    async with open_pool(primary.url(), DatabasePool(statement_timeout=1)) as pool:
        async with pool.transaction() as connection:
            await connection.execute("CREATE TABLE written (id int)")
        standby.crash()
        for way in (pool.transaction, pool.connection, pool.unit_of_work):
            with pytest.raises(Unavailable):
                await _write(way())


async def _write(lent: AbstractAsyncContextManager[Connection]) -> None:
    async with lent as connection:
        await connection.execute("INSERT INTO written VALUES (1)")
