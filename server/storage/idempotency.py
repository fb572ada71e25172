"""Idempotency keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg

from core.connection import DatabaseConnection
from core.errors import NotFound
from core.named_queries import named_queries
from core.plugin_services import Database
from server.domain.idempotency import Entity, KeyClaim, KeyHolder
from server.storage.rows import SCALAR, fetch, keyed_row, read
from server.storage.workflows import WorkflowKey, key_columns

_SQL = named_queries(__package__, "idempotency.sql")
_HOLDER = keyed_row(KeyHolder, "tenant_id", "key", entity=Entity)

Key = tuple[UUID, str]
"""Tenant and key."""


class KeyRepository:
    """Reads and writes ``idempotency_key``, mostly in the transactions of its callers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, connection: DatabaseConnection, claims: Mapping[Key, KeyClaim]) -> dict[Key, KeyHolder]:
        """Insert keys that do not exist, lock all of them, and return the holder of each.

        Raises:
            NotFound: a tenant does not exist.
        """
        try:
            await connection.execute(_SQL["insert_or_lock"], _claim_columns(claims))
            return await self.holders(connection, list(claims))
        except psycopg.errors.ForeignKeyViolation:
            raise NotFound("the tenant does not exist on this server; create it first") from None

    async def holders(self, connection: DatabaseConnection, keys: Sequence[Key]) -> dict[Key, KeyHolder]:
        """Return the holders of keys; keys that do not exist are left out."""
        rows = await fetch(connection, _HOLDER, _SQL["holders"], _columns(keys))
        return {(tenant_id, key): holder for (tenant_id, key), holder in rows}

    async def point(self, connection: DatabaseConnection, claims: Mapping[Key, KeyClaim]) -> None:
        """Set new holders of claimed keys."""
        await connection.execute(_SQL["point"], _claim_columns(claims))

    async def forget_workflows(self, connection: DatabaseConnection, workflows: Sequence[WorkflowKey]) -> None:
        """Delete the keys of workflows that failed or were cancelled."""
        await connection.execute(_SQL["forget_workflows"], key_columns(workflows))

    async def clean(self, limit: int) -> int:
        """Delete up to ``limit`` expired keys; return how many."""
        return len(await read(self._database, SCALAR, _SQL["clean"], {"limit": limit}))


def _columns(keys: Sequence[Key]) -> dict[str, list[Any]]:
    return {"tenant_id": [key[0] for key in keys], "key": [key[1] for key in keys]}


def _claim_columns(claims: Mapping[Key, KeyClaim]) -> dict[str, list[Any]]:
    given = list(claims.values())

    def ids(entity: Entity) -> list[UUID | None]:
        return [claim.entity_id if claim.entity is entity else None for claim in given]

    return _columns(list(claims)) | {
        "workflow_execution_id": ids(Entity.WORKFLOW),
        "task_execution_id": ids(Entity.TASK),
        "promise_id": ids(Entity.PROMISE),
        "agent_execution_id": ids(Entity.AGENT),
        "ttl": [claim.key.ttl.total_seconds() for claim in given],
    }
