"""Tasks and their attempts in the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from core.domain.payload import dump
from core.domain.task import NewTask
from core.named_queries import named_queries
from core.plugin_services import Database
from server.storage.columns import columns

_SQL = named_queries(__package__, "tasks.sql")

TaskKey = tuple[UUID, UUID]
"""Tenant and task."""


class TaskRepository:
    """Reads and writes ``task_execution`` and ``task_attempt``."""

    def __init__(self, database: Database) -> None:
        """Take the pool."""
        self._database = database

    async def insert(self, connection: Any, tasks: Sequence[NewTask]) -> None:
        """Insert tasks inside the connection's transaction; an id must not exist yet (see ``existing``)."""
        parameters = columns(tasks, "tenant_id", "id", "workflow_execution_id", "kind", "queue", "input")
        parameters |= columns(tasks, "max_retries", "scheduled_at", "timeout_ms")
        parameters["priority_ms"] = [max(task.priority_ms, 0) for task in tasks]
        parameters["metadata"] = [dump(dict(task.metadata)) for task in tasks]
        await connection.execute(_SQL["insert"], parameters)

    async def existing(self, connection: Any, keys: Sequence[TaskKey]) -> dict[TaskKey, tuple[UUID | None, str]]:
        """Return run and kind of those tasks that exist."""
        rows = await (await connection.execute(_SQL["existing"], _keys(keys))).fetchall()
        return {(row[0], row[1]): (row[2], row[3]) for row in rows}

    async def cancel_of_runs(self, connection: Any, keys: Sequence[tuple[UUID, UUID]]) -> None:
        """Cancel the open tasks of runs that have ended; the caller holds the runs' locks."""
        await connection.execute(_SQL["cancel_of_runs"], _keys(keys))


def _keys(keys: Sequence[tuple[UUID, UUID]]) -> dict[str, list[UUID]]:
    return {"tenant_id": [key[0] for key in keys], "id": [key[1] for key in keys]}
