"""Dead rows of the tables that change most, and their removal."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from core.named_queries import named_queries
from core.plugin_services import Database

LEAST_DEAD = 500
DEAD_SHARE = 0.05
"""Dead rows are too many from this number on, plus this share of the live ones."""

LARGEST = 500_000
"""Live rows; a larger table is left to autovacuum."""

_SQL = named_queries(__package__, "dead_rows.sql")


@dataclass(frozen=True, slots=True)
class DeadRows:
    """How many dead rows a table has, and whether these are too many."""

    table: str
    count: int
    are_many: bool


class DeadRowRepository:
    """Looks at the statistics of PostgreSQL, and vacuums."""

    def __init__(self, database: Database) -> None:
        """Take the pool."""
        self._database = database

    async def tables(self) -> list[DeadRows]:
        """Return the dead rows of the tables that change fast, the most first."""
        limits = {"least": LEAST_DEAD, "share": DEAD_SHARE, "largest": LARGEST}
        async with self._database.connection() as connection:
            rows = await (await connection.execute(_SQL["tables"], limits)).fetchall()
        return [DeadRows(*row) for row in rows]

    async def vacuum(self, table: str) -> int:
        """Remove the dead rows of a table; return how many are left, because some transaction may still see them.

        Raises:
            Unavailable: it took longer than a statement may, or the database is away.
        """
        async with self._database.connection() as connection:
            await connection.execute(sql.SQL(f"{_SQL['vacuum']} {{}}").format(sql.Identifier(table)), prepare=False)
            row = await (await connection.execute(_SQL["remaining"], {"table": table})).fetchone()
        return int(row[0])
