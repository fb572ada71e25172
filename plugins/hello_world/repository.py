"""Greetings in the database."""

from __future__ import annotations

from uuid import UUID

import psycopg

from core.errors import NotFound
from core.named_queries import named_queries
from core.plugin_services import Database

_SQL = named_queries(__package__, "queries.sql")


class GreetingRepository:
    """Writes ``p_hello_world__greetings``."""

    def __init__(self, database: Database) -> None:
        """Take the pool."""
        self._database = database

    async def greet(self, tenant_id: UUID, name: str) -> int:
        """Remember a greeting and return how many there have been."""
        async with self._database.connection() as connection:
            try:
                row = await (await connection.execute(_SQL["greet"], {"tenant_id": tenant_id, "name": name})).fetchone()
            except psycopg.errors.ForeignKeyViolation:
                raise NotFound("the tenant of these credentials does not exist") from None
        times: int = row[0]
        return times
