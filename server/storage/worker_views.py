"""Reads workers and definitions for REST."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from core.connection import RowFactory
from core.named_queries import named_queries
from core.plugin_services import Database
from server.domain.worker import Category
from server.domain.worker_view import DefinitionView, WorkerView
from server.storage.rows import SCALAR, Row, read, record_row

_SQL = named_queries(__package__, "worker_views.sql")
_WORKER = record_row(WorkerView)
_DEFINITION = record_row(DefinitionView)


class WorkerViewRepository:
    """Reads ``worker``, ``definition`` and ``worker_capability``.

    A worker is online until its last heartbeat is ``silence`` seconds old.
    """

    def __init__(self, database: Database, silence: float) -> None:
        self._database = database
        self._silence = silence

    async def workers(
        self, tenant_id: UUID, worker_type: str | None, limit: int, offset: int
    ) -> tuple[list[WorkerView], int]:
        """Return a page of the workers of a tenant by name, and how many there are."""
        about = {"tenant_id": tenant_id, "worker_type": worker_type}
        rows = await self._read(_WORKER, "workers", **about, id=None, limit=limit, offset=offset)
        [total] = await self._read(SCALAR, "count_workers", **about)
        return rows, total

    async def worker(self, tenant_id: UUID, worker_id: UUID) -> WorkerView | None:
        """Return one worker; None when it does not exist."""
        about = {"tenant_id": tenant_id, "worker_type": None}
        rows = await self._read(_WORKER, "workers", **about, id=worker_id, limit=1, offset=0)
        return rows[0] if rows else None

    async def definitions(
        self, tenant_id: UUID, category: Category, limit: int, offset: int
    ) -> tuple[list[DefinitionView], int]:
        """Return a page of the definitions of a category by kind, and how many there are."""
        about = {"tenant_id": tenant_id, "category": category}
        rows = await self._read(_DEFINITION, "definitions", **about, kind=None, limit=limit, offset=offset)
        [total] = await self._read(SCALAR, "count_definitions", **about)
        return rows, total

    async def definition(self, tenant_id: UUID, category: Category, kind: str) -> DefinitionView | None:
        """Return one definition; None when it does not exist."""
        about = {"tenant_id": tenant_id, "category": category}
        rows = await self._read(_DEFINITION, "definitions", **about, kind=kind, limit=1, offset=0)
        return rows[0] if rows else None

    async def _read(self, rows: RowFactory[Row], query: str, **parameters: Any) -> list[Row]:
        return await read(self._database, rows, _SQL[query], {"silence": self._silence, **parameters})
