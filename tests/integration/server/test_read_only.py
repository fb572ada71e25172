"""A database that takes no writes, or does not answer: the pool heals by itself, and readiness tells it in time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest

from core.errors import FlovynError, Unavailable
from proto.flovyn.v1 import workflow_pb2 as pb
from server.config.settings import DatabasePool
from server.database import pool as pools
from server.database import pooled_connection
from server.database.exclusive import AdvisoryLocks
from server.database.pool import Pool, open_pool
from server.database.writability import Writability
from tests.support.driving import Calls, refusal
from tests.support.postgres import CrashingCluster, crashing_cluster
from tests.support.proxy import proxied
from tests.support.running import TENANT, WORKER_KEY, Client, bearer, running_server

WAIT_S = 20.0
END_SESSIONS = (
    "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
    " WHERE application_name = 'flovyn-server' AND datname = current_database()"
)
WORKFLOWS = "/api/v1/tenants/test/workflow-executions"
START = pb.StartWorkflowRequest(tenant_id=str(TENANT), workflow_kind="k")


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrashingCluster]:
    """A cluster that these tests may freeze, and copy."""
    with crashing_cluster(tmp_path_factory.mktemp("primary")) as cluster:
        yield cluster


def _run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True, options="-c default_transaction_read_only=off") as admin:
        for statement in statements:
            admin.execute(statement.encode())


def _set(url: str, setting: str) -> None:
    """Set it for the database: for sessions that begin from now on."""
    _run(url, f"DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET ', current_database()) || $s${setting}$s$; END $$")


def _set_read_only(url: str, value: str) -> None:
    _set(url, f"default_transaction_read_only = {value}")


async def _ready(client: Client) -> tuple[int, dict[str, Any]]:
    """Ask for readiness, which has to be answered within a second."""
    asked = time.monotonic()
    answer = await client.rest("GET", "/_/health/ready", key=None)
    assert time.monotonic() - asked < 1
    return answer.status_code, answer.json


async def _until_ready(client: Client, status: int, reason: str | None) -> None:
    """Ask until the answer is this status, and this is the reason that the database is the one at fault."""
    async with asyncio.timeout(WAIT_S):
        while True:
            found, body = await _ready(client)
            if found == status and (body.get("reasons", {}).get("database") or "").startswith(reason or ""):
                return


async def _start(client: Client) -> grpc.StatusCode:
    try:
        await client.dispatch.StartWorkflow(START, metadata=bearer())
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def _starts(client: Client) -> list[grpc.StatusCode]:
    """Start more workflows at a time than the pool has connections."""
    return await asyncio.gather(*(_start(client) for _ in range(40)))


async def _healed(pool: Pool) -> None:
    """Wait until the pool, which has met a read-only session, has renewed its connections."""
    watch = pool.writes._watch
    assert watch is not None
    await asyncio.wait_for(asyncio.shield(watch), WAIT_S)


async def _until_started(client: Client) -> None:
    async with asyncio.timeout(WAIT_S):
        while await _start(client) != grpc.StatusCode.OK:
            pass


async def test_the_pool_heals_after_a_read_only_period(database: str) -> None:
    """Sessions that began while it was read-only stay so: none of them is used once the server is ready again."""
    async with running_server(database) as client:
        await client.dispatch.StartWorkflow(START, metadata=bearer())
        _set_read_only(database, "on")
        _run(database, END_SESSIONS)
        code, text = await refusal(client.dispatch.StartWorkflow(START, metadata=bearer()))
        assert (code, "takes no writes" in text) == (grpc.StatusCode.UNAVAILABLE, True)
        await _until_ready(client, 503, "the database is set to read-only")
        assert (await client.rest("GET", WORKFLOWS, key=WORKER_KEY)).status_code == 200
        _set_read_only(database, "off")
        await _healed(client.pool)
        assert set(await _starts(client)) == {grpc.StatusCode.OK}
        await _until_ready(client, 200, None)


async def _sessions(pool: Pool, count: int) -> list[str]:
    """Lend so many connections at a time, and return of each whether it is read-only."""
    found: list[str] = []
    async with AsyncExitStack() as stack:
        for _ in range(count):
            connection = await stack.enter_async_context(pool.connection())
            row = await (await connection.execute("SHOW transaction_read_only")).fetchone()
            found.append(row[0] if row else "")
    return found


async def test_one_call_that_meets_a_read_only_session_renews_them_all(database: str) -> None:
    """The pool looks by itself when writes are possible again: no other call has to fail for that."""
    _set_read_only(database, "on")
    async with open_pool(database, DatabasePool(pool_size=6)) as pool:
        assert await _sessions(pool, 6) == ["on"] * 6
        with pytest.raises(Unavailable, match="takes no writes"):
            await _fail(pool, "25006", [])
        _set_read_only(database, "off")
        await _healed(pool)
        assert await _sessions(pool, 6) == ["off"] * 6


async def test_settings_of_a_role_or_a_database_do_not_change_the_servers_sessions(database: str) -> None:
    """Isolation, time zone and encoding are what the statements were written for."""
    _set(database, "default_transaction_isolation = 'serializable'")
    _set(database, "client_encoding = 'latin1'")
    _set(database, "timezone = 'Asia/Tokyo'")
    query = "SELECT current_setting('transaction_isolation'), current_setting('client_encoding'), current_setting('timezone')"
    async with open_pool(database, DatabasePool()) as pool, pool.connection() as connection:
        assert await (await connection.execute(query)).fetchone() == ("read committed", "UTF8", "UTC")


RAISE = "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{}'; END $$"
OF_THE_SERVER = [
    "25006",
    "08006",
    "53100",
    "53200",
    "53300",
    "57P01",
    "57P02",
    "57P03",
    "57P05",
    "58030",
    "XX000",
    "XX001",
]
OF_THE_STATEMENT = ["22003", "22012", "23505", "23514", "25001", "40001", "40P01", "42P01", "57014", "P0001"]


async def _backend(pool: Pool) -> int:
    async with pool.connection() as connection:
        return int(connection.info.backend_pid)


@asynccontextmanager
async def _after(database: str, state: str) -> AsyncIterator[tuple[int, Pool]]:
    """Let a statement fail in a transaction, and yield the process of its connection, and the pool."""
    async with open_pool(database, DatabasePool()) as pool:
        backends: list[int] = []
        with pytest.raises(FlovynError):
            await _fail(pool, state, backends)
        yield backends[0], pool


async def _fail(pool: Pool, state: str, backends: list[int]) -> None:
    async with pool.transaction() as connection:
        backends.append(connection.info.backend_pid)
        await connection.execute(RAISE.format(state).encode())


@pytest.mark.parametrize("state", OF_THE_SERVER)
async def test_a_connection_is_not_used_again_after_an_error_of_the_server(
    database: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read-only, going down, out of something, or broken: what comes next is asked over others."""
    monkeypatch.setattr(pooled_connection, "YOUNG_S", 0)
    async with _after(database, state) as (backend, pool):
        assert backend not in {await _backend(pool) for _ in range(6)}


@pytest.mark.parametrize("state", OF_THE_STATEMENT)
async def test_a_connection_is_used_again_after_an_error_of_the_statement(
    database: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that a caller causes costs no connection."""
    monkeypatch.setattr(pooled_connection, "YOUNG_S", 0)
    async with _after(database, state) as (backend, pool):
        assert backend in {await _backend(pool) for _ in range(6)}


async def test_a_connection_that_was_opened_a_moment_ago_is_kept(database: str) -> None:
    """A server whose disk is full is not connected to again for every call that fails."""
    async with _after(database, "53100") as (backend, pool):
        assert backend in {await _backend(pool) for _ in range(6)}


async def test_readiness_does_not_wait_for_the_pool(database: str) -> None:
    """Every connection is lent, and callers wait for one: the server is ready, for the database is."""
    async with running_server(database, DATABASE__POOL_SIZE="2") as client, AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(client.pool.connection())
        waiting = asyncio.create_task(Calls(client).start())
        assert await _ready(client) == (200, {"status": "UP", "components": {"database": "UP", "serving": "UP"}})
        waiting.cancel()
        await asyncio.wait([waiting])


async def test_many_probes_are_one_question(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask within a second, the database is asked once."""
    asked: list[None] = []
    look = Writability._check_once

    async def counted(self: Writability) -> tuple[str | None, str]:
        asked.append(None)
        return await look(self)

    monkeypatch.setattr(Writability, "_check_once", counted)
    monkeypatch.setattr("server.database.writability.KEEP_S", 60)
    async with open_pool(database, DatabasePool()) as pool:
        assert set(await asyncio.gather(*(pool.writes.why_not() for _ in range(100)))) == {None}
        assert {await pool.writes.why_not() for _ in range(100)} == {None}
    assert len(asked) == 1


async def test_readiness_survives_the_end_of_its_connection(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that the database ended says nothing of the database."""
    monkeypatch.setattr("server.database.writability.KEEP_S", 0)
    async with open_pool(database, DatabasePool()) as pool:
        assert await pool.writes.why_not() is None
        _run(database, END_SESSIONS)
        assert await pool.writes.why_not() is None


async def test_a_frozen_database_is_told_within_a_second(primary: CrashingCluster) -> None:
    """It answers nothing: the server is alive and not ready; it is ready soon after the database runs again."""
    async with running_server(primary.url()) as client:
        assert (await _ready(client))[0] == 200
        with primary.frozen():
            await _until_ready(client, 503, "the database")
            asked = time.monotonic()
            assert (await client.rest("GET", "/_/health/live", key=None)).status_code == 200
            assert time.monotonic() - asked < 1
        await _until_ready(client, 200, None)
        assert await Calls(client).start()


async def test_a_statement_without_an_answer_is_given_up(
    primary: CrashingCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a black hole, a call ends soon after the time-out of statements; afterwards calls work again."""
    monkeypatch.setattr(pools, "ANSWER_GRACE_S", 0.2)
    async with proxied(primary.url()) as (proxy, url), AsyncExitStack() as stack:
        client = await stack.enter_async_context(running_server(url, DATABASE__STATEMENT_TIMEOUT="1"))
        assert (await _ready(client))[0] == 200
        with proxy.swallowing():
            assert await asyncio.wait_for(_start(client), WAIT_S) == grpc.StatusCode.UNAVAILABLE
            await _until_ready(client, 503, "the database")
        await _until_ready(client, 200, None)
        await _until_started(client)


async def test_the_pool_leaves_a_standby(primary: CrashingCluster, tmp_path: Path) -> None:
    """An address that led to a standby for a while: sessions there are left once the address leads to the primary."""
    with primary.standby(tmp_path / "standby") as standby:
        async with proxied(primary.url()) as (proxy, url), running_server(url) as client:
            proxy.lead_to(standby.socket)
            _run(primary.url(), END_SESSIONS)
            assert grpc.StatusCode.UNAVAILABLE in await _starts(client)
            await _until_ready(client, 503, "the database is in recovery")
            proxy.lead_to(primary.socket)
            await _healed(client.pool)
            assert set(await _starts(client)) == {grpc.StatusCode.OK}
            await _until_ready(client, 200, None)


async def test_a_lock_of_a_standby_is_none(
    primary: CrashingCluster, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A holder at the standby would not keep out a holder at the primary."""
    monkeypatch.setattr("server.database.exclusive.LOOK_EVERY_S", 0.01)
    caplog.set_level(logging.WARNING)
    with primary.standby(tmp_path / "standby") as standby:
        async with proxied(standby.url()) as (proxy, url):
            locks = AdvisoryLocks(url)
            entered = asyncio.create_task(_enter(locks))
            async with asyncio.timeout(WAIT_S):
                while "leads to a standby" not in caplog.text:
                    await asyncio.wait([entered], timeout=0.01)
                assert not entered.done()
                proxy.lead_to(primary.socket)
                await entered
            await locks.close()


async def _enter(locks: AdvisoryLocks) -> None:
    async with locks.exclusively("work"):
        pass
