"""``doctor`` compares the connections of all servers with what PostgreSQL has room for."""

from __future__ import annotations

import psycopg

from server.cli.database_checks import database as checked
from server.cli.finding import Diagnosis, Result
from tests.support.running import CONFIG, prepared_for


async def _budget(database: str, **environ: str) -> Diagnosis:
    prepared = prepared_for(database, (), CONFIG, **environ)
    [found] = [each for each in await checked(prepared.edition, prepared) if each.check == "connections"]
    return found


async def test_all_servers_and_processes_count(database: str) -> None:
    """And one server more, because its new processes start before the old ones end."""
    one = await _budget(database)
    assert one.result is Result.OK
    assert "26; PostgreSQL has room" in one.text
    many = await _budget(database, DATABASE__SERVERS="4", PROCESS__WORKERS="2", DATABASE__POOL_SIZE="20")
    assert many.result is Result.WARN
    assert "230; PostgreSQL has room" in many.text


async def test_connections_of_others_are_not_there_for_the_server(database: str) -> None:
    """Those of servers are in the budget already."""
    before = await _budget(database)
    async with (
        await psycopg.AsyncConnection.connect(database, application_name="other"),
        await psycopg.AsyncConnection.connect(database, application_name="flovyn-server"),
    ):
        after = await _budget(database)
    assert _room(after) == _room(before) - 1


def _room(found: Diagnosis) -> int:
    return int(found.text.rpartition("room for ")[2])


async def test_the_limit_of_the_database_counts(database: str) -> None:
    """PostgreSQL refuses ordinary roles above it."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        await connection.execute(f"ALTER DATABASE {connection.info.dbname} CONNECTION LIMIT 7".encode())
    found = await _budget(database)
    assert (found.result, _room(found)) == (Result.WARN, 7)
