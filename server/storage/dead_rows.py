"""Counts the dead rows of the tables that change most, and vacuums these tables."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from core.named_queries import named_queries
from core.plugin_services import Database
from server.storage.rows import SCALAR, fetch, read, record_row

LEAST_DEAD = 500
DEAD_SHARE = 0.05
"""A table has too many dead rows from this number on, plus this share of its live rows."""

LARGEST = 500_000
"""In live rows; a larger table is left to autovacuum."""

_SQL = named_queries(__package__, "dead_rows.sql")


@dataclass(frozen=True, slots=True)
class DeadRows:
    """The number of dead rows of a table, and whether it is too high."""

    table: str
    count: int
    are_many: bool


_DEAD_ROWS = record_row(DeadRows)


class DeadRowRepository:
    """Reads the statistics of PostgreSQL, and vacuums."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tables(self) -> list[DeadRows]:
        """Return the dead rows of the tables that change fast, the table with the most first."""
        limits = {"least": LEAST_DEAD, "share": DEAD_SHARE, "largest": LARGEST}
        return await read(self._database, _DEAD_ROWS, _SQL["tables"], limits)

    async def vacuum(self, table: str) -> int:
        """Remove the dead rows of a table; return the number of those left, which a transaction may still see.

        Raises:
            Unavailable: the time limit of a statement was exceeded, or the database cannot be reached.
        """
        async with self._database.connection() as connection:
            vacuum = sql.SQL(f"{_SQL['vacuum']} {{}}").format(sql.Identifier(table))
            await connection.execute(vacuum.as_string(), prepare=False)
            [remaining] = await fetch(connection, SCALAR, _SQL["remaining"], {"table": table})
        return int(remaining)
