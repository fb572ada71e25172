"""The sizes of tables, the room that they waste, and the oldest transaction, which keeps VACUUM from its work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from core.named_queries import named_queries
from server.database.connecting import Connection
from server.database.refusals import as_server_error

_SQL = named_queries(__package__, "tables.sql")


@dataclass(frozen=True, slots=True)
class Table:
    """A table, by the statistics of PostgreSQL.

    Attributes:
        name: its name.
        rows: estimated number of rows.
        bytes: size without indexes and without values that are stored apart.
        index_bytes: size of its indexes.
        total_bytes: all of it.
        expected_bytes: the size that its rows need; None while it is unknown.
        dead: rows that updates and deletions have left, and no VACUUM has removed.
        vacuumed_ago: seconds since the last VACUUM; None without one.
        autovacuum_is_off: whether a setting of the table switches autovacuum off.
    """

    name: str
    rows: int
    bytes: int
    index_bytes: int
    total_bytes: int
    expected_bytes: float | None
    dead: int
    vacuumed_ago: float | None
    autovacuum_is_off: bool

    @property
    def bloat(self) -> float:
        """The share of the table, from 0 to 1, that its rows do not need; an estimate."""
        if not self.bytes or self.expected_bytes is None:
            return 0.0
        return max(0.0, 1 - self.expected_bytes / self.bytes)


@dataclass(frozen=True, slots=True)
class OldTransaction:
    """A transaction that is open, with its holder and its age in seconds."""

    holder: str
    age: float


async def tables(connection: Connection) -> Sequence[Table]:
    """Return the tables, the largest first.

    Raises:
        FlovynError: the statement failed.
    """
    try:
        return await (await connection.cursor(row_factory=class_row(Table)).execute(_SQL["tables"])).fetchall()
    except psycopg.Error as error:
        raise as_server_error(error) from None


async def oldest_transaction(connection: Connection) -> OldTransaction | None:
    """Return the oldest open transaction of this database but this connection's; None without one.

    Raises:
        FlovynError: the statement failed.
    """
    try:
        cursor = await connection.cursor(row_factory=class_row(OldTransaction)).execute(_SQL["oldest_transaction"])
        return await cursor.fetchone()
    except psycopg.Error as error:
        raise as_server_error(error) from None
