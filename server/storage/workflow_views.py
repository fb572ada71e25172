"""Reads runs for people: whole, in pages, with their histories, children and state."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any
from uuid import UUID

from core.json_text import members
from core.named_queries import named_queries
from core.payload import Json, readable
from core.plugin_services import Database
from server.domain.audit_event import AuditEvent
from server.domain.workflow_view import EventView, WorkflowFilter, WorkflowView
from server.storage.audit_events import AuditEventRepository

_SQL = named_queries(__package__, "workflow_views.sql")


def _entry(data: Json) -> tuple[str, Json]:
    """Return the key and the value of an event that sets a state; see ``server.engine.submission.command_table``."""
    found = members(readable(data))
    return json.loads(found["key"]), found["value"]


class WorkflowViewRepository:
    """Reads ``workflow_execution`` and ``workflow_event``."""

    def __init__(self, database: Database) -> None:
        """Take the pool."""
        self._database = database
        self._audit_events = AuditEventRepository()

    async def get(self, tenant_id: UUID, workflow_id: UUID) -> WorkflowView | None:
        """Return a workflow."""
        rows = await self._rows("get", tenant_id=tenant_id, id=workflow_id)
        return WorkflowView(*rows[0]) if rows else None

    async def page(self, wanted: WorkflowFilter, limit: int, offset: int) -> tuple[list[WorkflowView], int]:
        """Return a page of workflows, newest first, and how many there are."""
        rows = await self._rows("page", **asdict(wanted), limit=limit, offset=offset)
        total = await self._rows("count", **asdict(wanted))
        return [WorkflowView(*row) for row in rows], total[0][0]

    async def children(self, tenant_id: UUID, workflow_id: UUID, limit: int) -> list[WorkflowView]:
        """Return a workflow's children, oldest first."""
        return [
            WorkflowView(*row) for row in await self._rows("children", tenant_id=tenant_id, id=workflow_id, limit=limit)
        ]

    async def events(self, tenant_id: UUID, workflow_id: UUID, since: int) -> list[EventView]:
        """Return a workflow's events with numbers above ``since``, superseded ones among them."""
        return [EventView(*row) for row in await self._rows("events", tenant_id=tenant_id, id=workflow_id, since=since)]

    async def audit_events(self, tenant_id: UUID, workflow_id: UUID, limit: int) -> list[AuditEvent]:
        """Return what was asked about a workflow, oldest first."""
        async with self._database.connection() as connection:
            return await self._audit_events.of_workflow(connection, (tenant_id, workflow_id), limit)

    async def state(self, tenant_id: UUID, workflow_id: UUID) -> dict[str, Json]:
        """Return the state that a workflow's events amount to, by key."""
        found = dict(_entry(Json(data)) for (data,) in await self._rows("state", tenant_id=tenant_id, id=workflow_id))
        return dict(sorted(found.items()))

    async def _rows(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        async with self._database.connection() as connection:
            rows: list[tuple[Any, ...]]
            rows = await (await connection.execute(_SQL[query], parameters)).fetchall()
        return rows
