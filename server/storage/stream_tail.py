"""What those who watch streams want to know of workflows and tasks, many at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from core.named_queries import named_queries
from core.plugin_services import Database

_SQL = named_queries(__package__, "stream_tail.sql")

Key = tuple[UUID, UUID]
"""Tenant, and run or task."""

MOST_EVENTS = 5_000
MOST_DESCENDANTS = 10_000


class StreamTailRepository:
    """Reads ``workflow_execution``, ``workflow_event`` and ``task_execution``."""

    def __init__(self, database: Database) -> None:
        """Take the pool."""
        self._database = database

    async def positions(self, workflows: Sequence[Key]) -> dict[Key, int]:
        """Return the number of the newest event of each workflow that exists."""
        return {(row[0], row[1]): row[2] for row in await self._rows("positions", workflows)}

    async def news(self, after: Mapping[Key, int]) -> list[tuple[UUID, UUID, int, str, str, datetime]]:
        """Return tenant, run, number, type, data and time of the events that came after those numbers."""
        numbers = list(after.values())
        rows: list[Any] = await self._rows("news", list(after), after=numbers, limit=MOST_EVENTS)
        return rows

    async def descendants(self, workflows: Sequence[Key]) -> list[tuple[UUID, UUID, UUID]]:
        """Return tenant, run and descendant of everything below the workflows."""
        rows: list[Any] = await self._rows("descendants", workflows, limit=MOST_DESCENDANTS)
        return rows

    async def tasks(self, tasks: Sequence[Key]) -> dict[Key, dict[str, Any]]:
        """Return what is shown of each task that exists."""
        names = ("id", "kind", "status", "executionCount", "maxRetries", "workerId", "error")
        rows = await self._rows("tasks", tasks)
        return {(row[0], row[1]): dict(zip(names, (str(row[1]), *row[2:]), strict=True)) for row in rows}

    async def sources(self, tasks: Sequence[Key]) -> dict[Key, tuple[UUID | None, bool]]:
        """Return of each task that exists the workflow that it belongs to, and whether it runs."""
        return {(row[0], row[1]): (row[2], row[3]) for row in await self._rows("sources", tasks)}

    async def _rows(self, query: str, keys: Sequence[Key], **more: Any) -> list[tuple[Any, ...]]:
        parameters = {"tenant_id": [key[0] for key in keys], "id": [key[1] for key in keys], **more}
        async with self._database.connection() as connection:
            rows: list[tuple[Any, ...]]
            rows = await (await connection.execute(_SQL[query], parameters)).fetchall()
        return rows
