"""Rows become records by the names of their columns, on real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum

import psycopg
import pytest
import pytest_asyncio

from server.database.connecting import Connection
from server.storage.rows import ColumnsDifferError, fetch, fetch_one, keyed_row, record_row


class Colour(StrEnum):
    RED = "RED"


@dataclass(frozen=True, slots=True)
class Thing:
    id: int
    colour: Colour
    name: str | None = None


@pytest_asyncio.fixture
async def connection(empty_database: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(empty_database, autocommit=True) as opened:
        yield opened


async def test_the_order_of_the_columns_does_not_matter(connection: Connection) -> None:
    """Each value is in the field that its column names, and is converted where the factory says so."""
    rows = record_row(Thing, colour=Colour)
    expected = Thing(1, Colour.RED, "n")
    assert await fetch(connection, rows, "SELECT 1 AS id, 'RED' AS colour, 'n' AS name") == [expected]
    again = await fetch_one(connection, rows, "SELECT 'n' AS name, 1 AS id, 'RED' AS colour")
    assert again == expected
    assert isinstance(again.colour, Colour)


async def test_other_columns_beside_the_record_are_its_key(connection: Connection) -> None:
    """The key's values come in the order of the factory, not of the statement."""
    rows = keyed_row(Thing, "place", "number", colour=Colour)
    query = "SELECT 7 AS number, 1 AS id, NULL AS name, 'RED' AS colour, 3 AS place"
    assert await fetch(connection, rows, query) == [((3, 7), Thing(1, Colour.RED))]


@pytest.mark.parametrize(
    ("columns", "difference"),
    [
        ("1 AS id, 'RED' AS colour", "Thing: name"),
        ("1 AS id, 'RED' AS colour, 'n' AS name, 2 AS more", "Thing: more"),
        ("1 AS id, 'RED' AS colour, 'n' AS nome", "Thing: name, nome"),
        ("1 AS id, 'RED' AS colour, 'n' AS name, 2 AS id", "Thing: one of them twice"),
    ],
)
async def test_columns_that_are_not_the_fields_are_an_error(
    connection: Connection, columns: str, difference: str
) -> None:
    """A missing, unknown or repeated column is never a value in the wrong field, not even where a field has a default."""
    with pytest.raises(ColumnsDifferError, match=difference):
        await fetch(connection, record_row(Thing), f"SELECT {columns}")


async def test_a_statement_without_rows_is_no_error(connection: Connection) -> None:
    """A factory may be given to a statement that only writes."""
    cursor = connection.cursor(row_factory=record_row(Thing))
    await cursor.execute("CREATE TABLE t (id integer)")
    assert cursor.rowcount == -1
