"""Worker tokens in the database."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import psycopg

from core.errors import NotFound
from core.named_queries import named_queries
from core.plugin_services import Database
from plugins.worker_token.domain import NewWorkerToken, WorkerToken

_SQL = named_queries(__package__, "queries.sql")
_COLUMNS = ("tenant_id", "id", "display_name", "token_prefix", "token_hash")


class WorkerTokenRepository:
    """Reads and writes ``p_worker_token__tokens``."""

    def __init__(self, database: Database) -> None:
        """Take the pool."""
        self._database = database

    async def create(self, tokens: Sequence[NewWorkerToken]) -> list[WorkerToken]:
        """Store tokens."""
        parameters = {name: [getattr(token, name) for token in tokens] for name in _COLUMNS}
        async with self._database.connection() as connection:
            try:
                rows = await (await connection.execute(_SQL["create"], parameters)).fetchall()
            except psycopg.errors.ForeignKeyViolation:
                raise NotFound("the tenant of these credentials does not exist") from None
        return [WorkerToken(*row) for row in rows]

    async def by_prefix(self, token_prefix: str) -> WorkerToken | None:
        """Return the token that begins like this."""
        async with self._database.connection() as connection:
            row = await (await connection.execute(_SQL["by_prefix"], {"token_prefix": token_prefix})).fetchone()
        return None if row is None else WorkerToken(*row)

    async def touch(self, tenant_id: UUID, token_id: UUID) -> None:
        """Note that the token is in use, at most once a minute."""
        async with self._database.connection() as connection:
            await connection.execute(_SQL["touch"], {"tenant_id": tenant_id, "id": token_id})
