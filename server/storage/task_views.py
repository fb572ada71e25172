"""Reads tasks for REST: single ones and pages, with their attempts and logs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from core.connection import RowFactory
from core.named_queries import named_queries
from core.paging import PageMembers, Paging, Position
from core.plugin_services import Database
from server.domain.task_view import AttemptView, LogLineView, TaskFilter, TaskSummary, TaskView
from server.storage.lists import Conditions, ListForm, ListStatements, conditions
from server.storage.rows import SCALAR, Row, read, record_row

_SQL = named_queries(__package__, "task_views.sql")
_LIST = ListStatements(_SQL, "createdFrom, or by a kind, queue or status that fewer tasks have")
_TASK = record_row(TaskView)
_SUMMARY = record_row(TaskSummary)
_ATTEMPT = record_row(AttemptView)
_LOG_LINE = record_row(LogLineView)


def _position(task: TaskSummary) -> Position:
    return task.created_at, task.id


def _conditions(wanted: TaskFilter) -> Conditions:
    found = conditions(wanted)
    if "statuses" in found:
        found["statuses"] = list(found["statuses"])
    return found


class TaskViewRepository:
    """Reads ``task_execution``, ``task_attempt`` and ``task_log``, and deletes pending standalone tasks."""

    def __init__(self, database: Database, lists: Database | None = None) -> None:
        self._database = database
        self._lists = lists or database

    async def get(self, tenant_id: UUID, task_id: UUID) -> TaskView | None:
        """Return a task, of a workflow, of an agent or standalone; None when it does not exist."""
        rows = await self._read(_TASK, "get", tenant_id=tenant_id, id=task_id)
        return rows[0] if rows else None

    async def of_workflow(self, tenant_id: UUID, workflow_id: UUID, limit: int) -> list[TaskView]:
        """Return the tasks of a workflow, oldest first."""
        return await self._read(_TASK, "of_workflow", tenant_id=tenant_id, workflow_id=workflow_id, limit=limit)

    async def of_agent(self, tenant_id: UUID, agent_id: UUID, limit: int) -> list[TaskView]:
        """Return the tasks of an agent, oldest first."""
        return await self._read(_TASK, "of_agent", tenant_id=tenant_id, agent_id=agent_id, limit=limit)

    async def is_workflow(self, tenant_id: UUID, workflow_id: UUID) -> bool:
        """Return whether the tenant has such a workflow."""
        return bool(await self._read(SCALAR, "is_workflow", tenant_id=tenant_id, workflow_id=workflow_id))

    async def page(self, wanted: TaskFilter, paging: Paging) -> tuple[list[TaskView], PageMembers]:
        """Return a page of standalone tasks, newest first, and the members of its answer.

        Raises:
            TooBroad: the search or the exact count takes too long.
        """
        rows = await _LIST.page(self._lists, _TASK, _conditions(wanted), paging)
        return await paging.page(rows, _position, _LIST.counter(self._lists, _conditions(wanted)))

    async def summaries(self, wanted: TaskFilter, paging: Paging) -> tuple[list[TaskSummary], PageMembers]:
        """Like ``page``, without inputs and outputs."""
        rows = await _LIST.page(self._lists, _SUMMARY, _conditions(wanted), paging, ListForm("summaries"))
        return await paging.page(rows, _position, _LIST.counter(self._lists, _conditions(wanted)))

    async def attempts(self, tenant_id: UUID, task_id: UUID) -> list[AttemptView]:
        """Return the attempts at a task, oldest first."""
        return await self._read(_ATTEMPT, "attempts", tenant_id=tenant_id, id=task_id)

    async def logs(
        self, tenant_id: UUID, task_id: UUID, level: str | None, limit: int, offset: int
    ) -> tuple[list[LogLineView], int]:
        """Return a page of the log of a task, oldest line first, and how many lines there are."""
        about: dict[str, Any] = {"tenant_id": tenant_id, "id": task_id, "level": level}
        rows = await self._read(_LOG_LINE, "logs", **about, limit=limit, offset=offset)
        [total] = await self._read(SCALAR, "count_logs", **about)
        return rows, total

    async def delete(self, tenant_id: UUID, task_id: UUID) -> bool:
        """Delete a pending standalone task; return whether there was one."""
        return bool(await self._read(SCALAR, "delete", tenant_id=tenant_id, id=task_id))

    async def _read(self, rows: RowFactory[Row], query: str, **parameters: Any) -> list[Row]:
        return await read(self._database, rows, _SQL[query], parameters)
