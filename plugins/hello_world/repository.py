"""Greetings in the database; the one module of the plugin that knows the driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row, namedtuple_row

from core.connection import DatabaseCursor
from core.errors import NotFound
from core.named_queries import named_queries
from core.plugin_services import Database

_SQL = named_queries(__package__, "queries.sql")


@dataclass(frozen=True, slots=True)
class Greeting:
    """A person and how often they were greeted."""

    name: str
    times: int


class GreetingRepository:
    """Reads and writes ``p_hello_world__greetings``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def greet(self, tenant_id: UUID, name: str) -> Greeting:
        """Remember a greeting and return how many there have been."""
        async with self._database.connection() as connection:
            try:
                cursor = connection.cursor(row_factory=class_row(Greeting))
                await cursor.execute(_SQL["greet"], {"tenant_id": tenant_id, "name": name})
                [greeting] = await cursor.fetchall()
            except psycopg.errors.ForeignKeyViolation:
                raise NotFound("the tenant of these credentials does not exist") from None
        return greeting

    async def page(self, tenant_id: UUID, limit: int, offset: int) -> tuple[list[Greeting], int]:
        """Return some of the tenant's greetings, by name, and how many there are; none past the end."""
        parameters = {"tenant_id": tenant_id, "limit": limit, "offset": offset}
        async with self._database.connection() as connection:
            cursor: DatabaseCursor[Any] = connection.cursor(row_factory=namedtuple_row)
            rows = await (await cursor.execute(_SQL["page"], parameters)).fetchall()
        return [Greeting(row.name, row.times) for row in rows], rows[0].total if rows else 0

    async def forget(self, days: int) -> int:
        """Delete what is older than so many days; return how many greetings that were."""
        async with self._database.connection() as connection:
            deleted: int = (await connection.execute(_SQL["forget"], {"days": days})).rowcount
        return deleted
