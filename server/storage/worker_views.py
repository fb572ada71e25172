"""Reads workers and definitions for people."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from core.named_queries import named_queries
from core.plugin_services import Database
from server.domain.worker import Category
from server.domain.worker_view import DefinitionView, WorkerView

_SQL = named_queries(__package__, "worker_views.sql")


class WorkerViewRepository:
    """Reads ``worker``, ``definition`` and ``worker_capability``."""

    def __init__(self, database: Database, silence: float) -> None:
        """Take the pool, and after how many seconds without a sign of life a worker counts as gone."""
        self._database = database
        self._silence = silence

    async def workers(
        self, tenant_id: UUID, worker_type: str | None, limit: int, offset: int
    ) -> tuple[list[WorkerView], int]:
        """Return a page of a tenant's workers by name, and how many there are."""
        about = {"tenant_id": tenant_id, "worker_type": worker_type}
        rows = await self._rows("workers", **about, id=None, limit=limit, offset=offset)
        total = await self._rows("count_workers", **about)
        return [WorkerView(*row) for row in rows], total[0][0]

    async def worker(self, tenant_id: UUID, worker_id: UUID) -> WorkerView | None:
        """Return one worker."""
        rows = await self._rows("workers", tenant_id=tenant_id, id=worker_id, worker_type=None, limit=1, offset=0)
        return WorkerView(*rows[0]) if rows else None

    async def definitions(
        self, tenant_id: UUID, category: Category, limit: int, offset: int
    ) -> tuple[list[DefinitionView], int]:
        """Return a page of what is defined, by kind, and how many there are."""
        about = {"tenant_id": tenant_id, "category": category}
        rows = await self._rows("definitions", **about, kind=None, limit=limit, offset=offset)
        total = await self._rows("count_definitions", **about)
        return [DefinitionView(*row) for row in rows], total[0][0]

    async def definition(self, tenant_id: UUID, category: Category, kind: str) -> DefinitionView | None:
        """Return one definition."""
        rows = await self._rows("definitions", tenant_id=tenant_id, category=category, kind=kind, limit=1, offset=0)
        return DefinitionView(*rows[0]) if rows else None

    async def _rows(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        async with self._database.connection() as connection:
            rows: list[tuple[Any, ...]]
            rows = await (await connection.execute(_SQL[query], {"silence": self._silence, **parameters})).fetchall()
        return rows
