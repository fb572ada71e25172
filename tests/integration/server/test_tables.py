"""Findings of ``doctor`` and metrics about the tables of a database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio

from server.cli.finding import Diagnosis
from server.cli.table_checks import of_tables, of_transaction, table_checks
from server.database.connecting import Connection, connect
from server.database.tables import OldTransaction, Table, oldest_transaction, tables
from tests.support.running import OPERATOR_KEY, running_server


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    """A connection to a migrated database."""
    async with await connect(database, timeout=5) as connection:
        yield connection


def _results(found: list[Diagnosis]) -> set[str]:
    return {each.result for each in found}


async def test_a_fresh_database_is_well(connection: Connection) -> None:
    """All four checks find nothing."""
    assert _results(await table_checks(connection)) == {"ok"}


async def test_bloat_is_the_room_that_rows_do_not_need(connection: Connection) -> None:
    """A table from which most rows are deleted wastes most of its room."""
    await connection.execute("CREATE TABLE wasteful (a text)")
    await connection.execute("INSERT INTO wasteful SELECT repeat('x', 100) FROM generate_series(1, 20000)")
    await connection.execute("ANALYZE wasteful")
    [full] = [each for each in await tables(connection) if each.name == "wasteful"]
    await connection.execute("DELETE FROM wasteful WHERE ctid::text NOT LIKE '%,1)'")
    await connection.execute("VACUUM (ANALYZE, TRUNCATE false) wasteful")
    [empty] = [each for each in await tables(connection) if each.name == "wasteful"]
    assert full.bloat < 0.1
    assert empty.bloat > 0.9
    assert empty.vacuumed_ago is not None
    assert empty.bytes == full.bytes
    assert empty.total_bytes >= empty.bytes + empty.index_bytes


async def test_tables_without_autovacuum_are_named(connection: Connection) -> None:
    """A warning with the name."""
    await connection.execute("ALTER TABLE timer SET (autovacuum_enabled = off)")
    [found] = [each for each in await table_checks(connection) if each.check == "vacuum"]
    assert found.result == "warn"
    assert "timer" in found.text


def _table(**more: object) -> Table:
    values = {
        "rows": 1000,
        "bytes": 2**30,
        "index_bytes": 0,
        "total_bytes": 2**30,
        "expected_bytes": 2.0**30,
        "dead": 0,
    }
    return Table(**{"name": "t", "vacuumed_ago": None, "autovacuum_is_off": False, **values, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("table", "subject"),
    [({"expected_bytes": 2.0**28}, "bloat"), ({"dead": 20_000}, "vacuum")],
)
def test_waste_and_dead_rows_are_warned_about(table: dict[str, object], subject: str) -> None:
    """With the name of the table."""
    found = {each.check: each for each in of_tables([_table(**table)])}
    assert found[subject].result == "warn"
    assert "t (" in found[subject].text
    assert {each.result for name, each in found.items() if name != subject} == {"ok"}


async def test_the_oldest_transaction_is_found(connection: Connection, database: str) -> None:
    """With the number of its process, also while it is idle."""
    assert await oldest_transaction(connection) is None
    with psycopg.connect(database, application_name="forgetful") as other:
        other.execute("SELECT 1")
        found = await oldest_transaction(connection)
        assert found is not None
        assert found.holder == f"process {other.info.backend_pid} forgetful idle in transaction"


@pytest.mark.parametrize(("age", "result"), [(10.0, "ok"), (400.0, "warn")])
def test_an_old_transaction_is_named(age: float, result: str) -> None:
    """From five minutes on."""
    assert of_transaction(OldTransaction("process 7", age)).result == result


async def test_metrics_show_the_sizes(database: str) -> None:
    """Tables, indexes, dead rows and the oldest transaction."""
    async with running_server(database) as client:
        text = (await client.rest("GET", "/_/metrics", key=OPERATOR_KEY)).text
    for name in ("table_bytes", "index_bytes", "dead_rows"):
        assert f'flovyn_{name}{{table="workflow_execution"}}' in text
    assert "flovyn_oldest_transaction_seconds" in text
