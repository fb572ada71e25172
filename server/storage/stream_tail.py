"""News of workflows and tasks for clients that watch streams, many at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from core.connection import RowFactory
from core.named_queries import named_queries
from core.plugin_services import Database
from server.storage.rows import NAMED, Row, read

_SQL = named_queries(__package__, "stream_tail.sql")

Key = tuple[UUID, UUID]
"""Tenant, and workflow or task."""

MOST_EVENTS = 5_000
MOST_DESCENDANTS = 10_000


class StreamTailRepository:
    """Reads ``workflow_execution``, ``workflow_event`` and ``task_execution``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def positions(self, workflows: Sequence[Key]) -> dict[Key, int]:
        """Return the number of the newest event of each workflow that exists."""
        rows = await self._read(NAMED, "positions", workflows)
        return {(row.tenant_id, row.id): row.last_sequence for row in rows}

    async def news(self, after: Mapping[Key, int]) -> list[tuple[UUID, UUID, int, str, str, datetime]]:
        """Return tenant, workflow, number, type, data and time of the events that came after those numbers."""
        rows = await self._read(NAMED, "news", list(after), after=list(after.values()), limit=MOST_EVENTS)
        return [
            (row.tenant_id, row.workflow_execution_id, row.sequence, row.event_type, row.event_data, row.created_at)
            for row in rows
        ]

    async def descendants(self, workflows: Sequence[Key]) -> list[tuple[UUID, UUID, UUID]]:
        """Return tenant, workflow and descendant, for each descendant of the workflows."""
        rows = await self._read(NAMED, "descendants", workflows, limit=MOST_DESCENDANTS)
        return [(row.tenant_id, row.root, row.id) for row in rows]

    async def tasks(self, tasks: Sequence[Key]) -> dict[Key, dict[str, Any]]:
        """Return each task that exists, as streams show it: by the names of REST."""
        rows = await self._read(NAMED, "tasks", tasks)
        return {(row.tenant_id, row.id): _shown(row) for row in rows}

    async def sources(self, tasks: Sequence[Key]) -> dict[Key, tuple[UUID | None, UUID | None, bool]]:
        """Return the workflow and the agent of each task that exists, and whether the task runs."""
        rows = await self._read(NAMED, "sources", tasks)
        return {
            (row.tenant_id, row.id): (row.workflow_execution_id, row.agent_execution_id, row.running) for row in rows
        }

    async def _read(self, rows: RowFactory[Row], query: str, keys: Sequence[Key], **more: Any) -> list[Row]:
        parameters = {"tenant_id": [key[0] for key in keys], "id": [key[1] for key in keys], **more}
        return await read(self._database, rows, _SQL[query], parameters)


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "kind": row.kind,
        "status": row.status,
        "executionCount": row.execution_count,
        "maxRetries": row.max_retries,
        "workerId": row.worker_id,
        "error": row.error,
    }
