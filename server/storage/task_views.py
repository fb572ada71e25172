"""Reads tasks for people: whole, in pages, with their attempts and logs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from core.named_queries import named_queries
from core.plugin_services import Database
from server.domain.task_view import AttemptView, LogLineView, TaskFilter, TaskView

_SQL = named_queries(__package__, "task_views.sql")


class TaskViewRepository:
    """Reads ``task_execution``, ``task_attempt`` and ``task_log``, and deletes what nobody has begun."""

    def __init__(self, database: Database) -> None:
        """Take the pool."""
        self._database = database

    async def get(self, tenant_id: UUID, task_id: UUID) -> TaskView | None:
        """Return a task, a workflow's or standalone."""
        rows = await self._rows("get", tenant_id=tenant_id, id=task_id)
        return TaskView(*rows[0]) if rows else None

    async def of_workflow(self, tenant_id: UUID, workflow_id: UUID, limit: int) -> list[TaskView]:
        """Return a workflow's tasks, oldest first."""
        rows = await self._rows("of_workflow", tenant_id=tenant_id, workflow_id=workflow_id, limit=limit)
        return [TaskView(*row) for row in rows]

    async def is_workflow(self, tenant_id: UUID, workflow_id: UUID) -> bool:
        """Return whether the tenant has such a workflow."""
        return bool(await self._rows("is_workflow", tenant_id=tenant_id, workflow_id=workflow_id))

    async def page(self, wanted: TaskFilter, limit: int, offset: int) -> tuple[list[TaskView], int]:
        """Return a page of standalone tasks, newest first, and how many there are."""
        rows = await self._rows("page", **asdict(wanted), limit=limit, offset=offset)
        total = await self._rows("count", **asdict(wanted))
        return [TaskView(*row) for row in rows], total[0][0]

    async def attempts(self, tenant_id: UUID, task_id: UUID) -> list[AttemptView]:
        """Return the attempts at a task, the first first."""
        return [AttemptView(*row) for row in await self._rows("attempts", tenant_id=tenant_id, id=task_id)]

    async def logs(
        self, tenant_id: UUID, task_id: UUID, level: str | None, limit: int, offset: int
    ) -> tuple[list[LogLineView], int]:
        """Return a page of a task's log, the oldest line first, and how many lines there are."""
        about: dict[str, Any] = {"tenant_id": tenant_id, "id": task_id, "level": level}
        rows = await self._rows("logs", **about, limit=limit, offset=offset)
        total = await self._rows("count_logs", **about)
        return [LogLineView(*row) for row in rows], total[0][0]

    async def delete(self, tenant_id: UUID, task_id: UUID) -> bool:
        """Delete a standalone task that is pending; return whether there was one."""
        return bool(await self._rows("delete", tenant_id=tenant_id, id=task_id))

    async def _rows(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        async with self._database.connection() as connection:
            rows: list[tuple[Any, ...]]
            rows = await (await connection.execute(_SQL[query], parameters)).fetchall()
        return rows
