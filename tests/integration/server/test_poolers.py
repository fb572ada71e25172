"""The server works through PgBouncer in transaction mode, and refuses one that it was not told of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import psycopg
import pytest
from pydantic import SecretStr

from core.errors import StartupError, Unavailable
from server.boot.preparation import make_connection
from server.cli.database_checks import database as checked
from server.cli.finding import Result
from server.config.settings import DatabasePool, PoolerMode
from server.database.pool import Pool, open_pool
from server.database.poolers import Sessions
from server.database.writability import Writability
from tests.support.calls import start
from tests.support.pgbouncer import PgBouncer, needs_pgbouncer, pgbouncer
from tests.support.running import Client, prepared_for, running_server

pytestmark = needs_pgbouncer

OWN_PORT = 6433
"""Beside the pooler of all tests, if there is one."""

SLEEPERS = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"


@pytest.fixture
def pooler(database: str) -> Iterator[PgBouncer]:
    with pgbouncer(database, listen_port=OWN_PORT) as pooler:
        yield pooler


def _declared(through: PgBouncer, **more: Any) -> DatabasePool:
    return DatabasePool(direct_url=SecretStr(through.direct), **more)


async def _count(database: str, query: str) -> int:
    async with await psycopg.AsyncConnection.connect(database) as connection:
        row = await (await connection.execute(query.encode())).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("options", ["", "options"], ids=["options refused", "options ignored"])
@pytest.mark.parametrize("by_turns", [0, 1], ids=["last session first", "sessions by turns"])
async def test_a_pooler_that_is_not_declared_stops_the_start(database: str, options: str, by_turns: int) -> None:
    """With the setting that is missing, whatever session it lends next, and whether it takes ``options`` or not."""
    more = {"ignore_startup_parameters": options, "server_round_robin": by_turns, "listen_port": OWN_PORT}
    with pgbouncer(database, **more) as pooler:
        with pytest.raises(StartupError, match=r"pooler in transaction mode.*set database\.direct_url"):
            async with running_server(pooler.url):
                pass
        with pytest.raises(StartupError, match=r"pooler in transaction mode.*set database\.direct_url"):
            async with open_pool(pooler.url, DatabasePool()):
                pass


async def test_a_direct_address_that_leads_to_the_pooler_stops_the_start(pooler: PgBouncer) -> None:
    """Migrations, locks and LISTEN would lose their sessions."""
    with pytest.raises(StartupError, match=r"direct_url leads to a pooler in transaction mode"):
        async with running_server(pooler.url, DATABASE__DIRECT_URL=pooler.url):
            pass


async def test_a_wrong_declaration_stops_the_start(pooler: PgBouncer) -> None:
    """A pooler in transaction mode that is declared as one in session mode."""
    with pytest.raises(StartupError, match=r'database\.pooler is "session".*set database\.pooler = "transaction"'):
        async with open_pool(pooler.url, _declared(pooler, pooler=PoolerMode.SESSION)):
            pass


async def test_a_pooler_in_session_mode_that_drops_options_stops_the_start(database: str) -> None:
    """Unless the server is told to do without sessions of its own."""
    more = {"pool_mode": "session", "ignore_startup_parameters": "options", "listen_port": OWN_PORT}
    with pgbouncer(database, **more) as pooler:
        with pytest.raises(StartupError, match=r"does not pass the startup parameter 'options' on"):
            async with open_pool(pooler.url, DatabasePool()):
                pass
        async with running_server(pooler.url, DATABASE__DIRECT_URL=pooler.url) as client:
            assert await client.pool.writes.why_not() is None


async def test_sessions_in_another_time_zone_stop_the_start(pooler: PgBouncer) -> None:
    """The message names the statement that helps."""
    async with await psycopg.AsyncConnection.connect(pooler.direct, autocommit=True) as connection:
        name = connection.info.dbname
        await connection.execute(f"ALTER DATABASE {name} SET timezone = 'Europe/Berlin'".encode())
        await connection.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'".encode())
    pooler.command("RECONNECT")
    with pytest.raises(
        StartupError, match=r"ALTER ROLE postgres SET timezone = 'UTC'; ALTER ROLE postgres SET default"
    ):
        async with open_pool(pooler.url, _declared(pooler)):
            pass


async def test_readiness_notices_a_pooler_that_comes_later(pooler: PgBouncer) -> None:
    """A server that found none at its start must not take calls whose sessions change."""
    for sessions, ready in ((Sessions.OWN, False), (Sessions.LENT, True)):
        writes = Writability(pooler.url, _nothing, sessions)
        try:
            reason = await writes.why_not()
        finally:
            await writes.close()
        assert (reason is None) is ready
        assert ready or "database.pooler" in str(reason)


async def _nothing() -> None:
    pass


async def test_doctor_names_the_pooler(pooler: PgBouncer) -> None:
    """Declared: in which mode; undeclared: as a failure with advice."""
    undeclared, declared = prepared_for(pooler.url), prepared_for(pooler.url, DATABASE__DIRECT_URL=pooler.direct)
    for prepared, fails in ((undeclared, True), (declared, False)):
        found = {each.check: each for each in await checked(prepared.edition, prepared)}
        assert "transaction mode" in found["pooler"].text
        assert (found["pooler"].result is Result.FAIL) is fails
    assert found["connections"].result is Result.OK


async def test_connections_for_state_have_their_own_session(pooler: PgBouncer) -> None:
    """Those of the pool lead to the pooler, those for migrations around it."""
    prepared = prepared_for(pooler.url, DATABASE__DIRECT_URL=pooler.direct)
    async with await make_connection(prepared.settings) as connection:
        row = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
        assert row == (connection.info.backend_pid,)


async def test_a_statement_that_takes_too_long_is_cancelled(pooler: PgBouncer) -> None:
    """In the database, too, though no session has a timeout; its connection goes on to serve."""
    async with open_pool(pooler.url, _declared(pooler, statement_timeout=0.5)) as pool:
        with pytest.raises(Unavailable, match="time limit"):
            async with pool.connection() as connection:
                await connection.execute("SELECT pg_sleep(60)")
        assert await _count(pooler.direct, SLEEPERS) == 0
        async with pool.transaction() as connection:
            await connection.execute("SELECT 1")


async def _broken_by(breaks: Callable[[], None], pool: Pool) -> None:
    async with pool.unit_of_work() as connection:
        await connection.execute("CREATE TABLE half_done (id int)")
        breaks()
        await connection.execute("SELECT 1")


async def test_a_pooler_that_dies_in_a_transaction_leaves_nothing_of_it(pooler: PgBouncer) -> None:
    """The caller is told, and the pool serves again when the pooler is back."""
    async with open_pool(pooler.url, _declared(pooler)) as pool:
        with pytest.raises(Unavailable):
            await _broken_by(pooler.kill, pool)
        pooler.start()
        async with pool.connection() as connection:
            row = await (await connection.execute("SELECT to_regclass('half_done')")).fetchone()
        assert row == (None,)


async def _start(client: Client) -> str | None:
    """Start a workflow; return its id, or None when the call was refused for now."""
    try:
        return await start(client)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return None


async def test_nothing_acknowledged_is_lost_when_the_pooler_dies_under_load(pooler: PgBouncer) -> None:
    """Every start that was answered is there; every other was told to be sent again."""
    async with running_server(pooler.url, DATABASE__DIRECT_URL=pooler.direct) as client:
        acknowledged: list[str] = []
        refused = 0
        for round_ in range(3):
            starts = [asyncio.create_task(_start(client)) for _ in range(60)]
            await asyncio.wait(starts, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.to_thread(pooler.kill)
            answers = await asyncio.gather(*starts)
            await asyncio.to_thread(pooler.start)
            acknowledged += [answer for answer in answers if answer is not None]
            refused += answers.count(None)
            assert acknowledged, round_
        async with asyncio.timeout(30):
            while await client.pool.writes.why_not() is not None:
                await asyncio.sleep(0)
        found = await _count(pooler.direct, "SELECT count(*) FROM workflow_execution")
        assert len(acknowledged) <= found <= len(acknowledged) + refused
