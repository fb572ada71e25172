"""Worker tokens in the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row, dict_row, scalar_row

from core.connection import Row, RowFactory
from core.errors import AlreadyExists, NotFound
from core.named_queries import named_queries
from core.paging import Position
from core.plugin_services import Database
from plugins.worker_token.domain import NewWorkerToken, Rehash, Rotation, WorkerToken

_SQL = named_queries(__package__, "queries.sql")
_NEW = ("id", "tenant_id", "display_name", "description", "token_prefix", "token_hash", "expires_at")
_REMEMBERED = ("tenant_id", "id", "token_hash", "expires_at")
_REHASH = ("tenant_id", "id", "old", "new")
_ROTATION = ("tenant_id", "id", "seen", "token_prefix", "token_hash", "previous_until")


class WorkerTokenRepository:
    """Reads and writes ``p_worker_token__tokens``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, tokens: Sequence[NewWorkerToken]) -> list[WorkerToken]:
        """Store tokens.

        Raises:
            NotFound: a tenant does not exist.
            AlreadyExists: a token begins like one that is there: a matter of chance.
        """
        return await self._tokens("create", _columns(tokens, _NEW))

    async def get(self, tenant_id: UUID, token_id: UUID) -> WorkerToken | None:
        """Return a token of the tenant."""
        return next(iter(await self._tokens("get", {"tenant_id": tenant_id, "id": token_id})), None)

    async def page(
        self, tenant_id: UUID, limit: int, offset: int, after: Position | None = None, *, include_revoked: bool
    ) -> list[WorkerToken]:
        """Return a page of the tenant's tokens behind a position, oldest first."""
        created_at, token_id = (None, None) if after is None else after
        wanted = {"tenant_id": tenant_id, "include_revoked": include_revoked, "limit": limit, "offset": offset}
        return await self._tokens("page", {**wanted, "after_created_at": created_at, "after_id": token_id})

    async def count(self, tenant_id: UUID, most: int | None = None, *, include_revoked: bool) -> int:
        """Return how many tokens the tenant has, counted up to ``most``."""
        wanted = {"tenant_id": tenant_id, "include_revoked": include_revoked, "most": most}
        [total] = await self._rows(scalar_row, "count", wanted)
        return int(total)

    async def rotate(self, rotation: Rotation) -> WorkerToken | None:
        """Replace a token's secret; None when it is gone, revoked, or was rotated since it was read.

        Raises:
            AlreadyExists: a token begins like one that is there: a matter of chance.
        """
        return next(iter(await self._tokens("rotate", {name: getattr(rotation, name) for name in _ROTATION})), None)

    async def revoke(self, tenant_id: UUID, token_id: UUID) -> WorkerToken | None:
        """Revoke a token of the tenant; None when there is no such token."""
        return next(iter(await self._tokens("revoke", {"tenant_id": tenant_id, "id": token_id})), None)

    async def by_prefixes(self, prefixes: Sequence[str]) -> Mapping[str, list[WorkerToken]]:
        """Return the tokens whose secret, or the one before it, begins like this; by prefix."""
        found: dict[str, list[WorkerToken]] = defaultdict(list)
        for row in await self._rows(dict_row, "by_prefixes", {"prefix": list(prefixes)}):
            found[row.pop("prefix")].append(WorkerToken(**row))
        return found

    async def changed(self, tokens: Sequence[WorkerToken]) -> set[UUID]:
        """Return the ids of those that are no longer like this: revoked, rotated, of another end, or gone."""
        return set(await self._rows(scalar_row, "changed", _columns(tokens, _REMEMBERED)))

    async def note_uses(self, tokens: Sequence[tuple[UUID, UUID]]) -> None:
        """Note that tokens (tenant and id) are in use, at most once a minute."""
        columns = {"tenant_id": [tenant_id for tenant_id, _ in tokens], "id": [token_id for _, token_id in tokens]}
        async with self._database.connection() as connection:
            await connection.execute(_SQL["note_uses"], columns)

    async def rehash(self, changes: Sequence[Rehash]) -> None:
        """Store hashes under a newer key, where they are still what was read."""
        async with self._database.connection() as connection:
            await connection.execute(_SQL["rehash"], _columns(changes, _REHASH))

    async def _tokens(self, query: str, parameters: Mapping[str, Any]) -> list[WorkerToken]:
        return await self._rows(class_row(WorkerToken), query, parameters)

    async def _rows(self, rows: RowFactory[Row], query: str, parameters: Mapping[str, Any]) -> list[Row]:
        async with self._database.connection() as connection:
            try:
                return await (await connection.cursor(row_factory=rows).execute(_SQL[query], parameters)).fetchall()
            except psycopg.errors.ForeignKeyViolation:
                raise NotFound("the tenant of these credentials does not exist") from None
            except psycopg.errors.UniqueViolation:
                raise AlreadyExists("the prefix of the new token is in use; nothing was written, try again") from None


def _columns(values: Sequence[object], names: Sequence[str]) -> dict[str, list[Any]]:
    return {name: [getattr(value, name) for value in values] for name in names}
