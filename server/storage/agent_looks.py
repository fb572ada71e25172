"""Looks at agents and their tasks for clients that watch streams, many at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from core.connection import RowFactory
from core.named_queries import named_queries
from core.plugin_services import Database
from server.domain.agent import AgentStatus, WaitKind
from server.domain.agent_change import AgentLook, TaskLook
from server.domain.task import TaskStatus
from server.storage.rows import NAMED, Row, read, record_row

_SQL = named_queries(__package__, "agent_looks.sql")

Key = tuple[UUID, UUID]
"""Tenant, and agent or task."""

MOST_DESCENDANTS = 10_000
MOST_TASKS = 10_000


def _kind(text: str | None) -> WaitKind | None:
    return None if text is None else WaitKind(text)


_AGENT = record_row(AgentLook, status=AgentStatus, wait_kind=_kind)
_TASK = record_row(TaskLook, status=TaskStatus)


class AgentLookRepository:
    """Reads ``agent_execution`` and ``task_execution``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def agents(self, agents: Sequence[Key]) -> dict[Key, AgentLook]:
        """Return the agents that exist."""
        return {(look.tenant_id, look.id): look for look in await self._read(_AGENT, "agents", agents)}

    async def descendants(self, agents: Sequence[Key]) -> dict[Key, list[Key]]:
        """Return the descendants of agents."""
        found = defaultdict(list)
        for row in await self._read(NAMED, "descendants", agents, limit=MOST_DESCENDANTS):
            found[row.tenant_id, row.root].append((row.tenant_id, row.id))
        return found

    async def tasks(self, agents: Sequence[Key], recent: float | None = None) -> dict[Key, TaskLook]:
        """Return the tasks of agents; with ``recent``, those that changed within so many seconds."""
        looks = await self._read(_TASK, "tasks", agents, recent=recent, limit=MOST_TASKS)
        return {(look.tenant_id, look.id): look for look in looks}

    async def _read(self, rows: RowFactory[Row], query: str, keys: Sequence[Key], **more: Any) -> list[Row]:
        parameters = {"tenant_id": [key[0] for key in keys], "id": [key[1] for key in keys], **more}
        return await read(self._database, rows, _SQL[query], parameters)
