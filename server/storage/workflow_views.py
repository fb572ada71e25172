"""Reads workflow executions for REST: single ones and pages, with their histories, children and state."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any
from uuid import UUID

from core.connection import RowFactory
from core.json_text import members
from core.named_queries import named_queries
from core.payload import Json, readable
from core.plugin_services import Database
from server.domain.audit_event import AuditEvent
from server.domain.workflow_view import EventView, WorkflowFilter, WorkflowView
from server.storage.audit_events import AuditEventRepository
from server.storage.rows import SCALAR, Row, read, record_row

_SQL = named_queries(__package__, "workflow_views.sql")
_WORKFLOW = record_row(WorkflowView)
_EVENT = record_row(EventView)


def _entry(data: Json) -> tuple[str, Json]:
    """Return the key and the value of an event that sets a state; see ``server.engine.submission.command_table``."""
    found = members(readable(data))
    return json.loads(found["key"]), found["value"]


class WorkflowViewRepository:
    """Reads ``workflow_execution`` and ``workflow_event``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._audit_events = AuditEventRepository()

    async def get(self, tenant_id: UUID, workflow_id: UUID) -> WorkflowView | None:
        """Return a workflow; None when it does not exist."""
        rows = await self._read(_WORKFLOW, "get", tenant_id=tenant_id, id=workflow_id)
        return rows[0] if rows else None

    async def page(self, wanted: WorkflowFilter, limit: int, offset: int) -> tuple[list[WorkflowView], int]:
        """Return a page of workflows, newest first, and how many there are."""
        rows = await self._read(_WORKFLOW, "page", **asdict(wanted), limit=limit, offset=offset)
        [total] = await self._read(SCALAR, "count", **asdict(wanted))
        return rows, total

    async def children(self, tenant_id: UUID, workflow_id: UUID, limit: int) -> list[WorkflowView]:
        """Return the children of a workflow, oldest first."""
        return await self._read(_WORKFLOW, "children", tenant_id=tenant_id, id=workflow_id, limit=limit)

    async def events(self, tenant_id: UUID, workflow_id: UUID, since: int) -> list[EventView]:
        """Return the events of a workflow with numbers above ``since``, superseded events included."""
        return await self._read(_EVENT, "events", tenant_id=tenant_id, id=workflow_id, since=since)

    async def audit_events(self, tenant_id: UUID, workflow_id: UUID, limit: int) -> list[AuditEvent]:
        """Return the audit events of a workflow, oldest first."""
        async with self._database.connection() as connection:
            return await self._audit_events.of_workflow(connection, (tenant_id, workflow_id), limit)

    async def state(self, tenant_id: UUID, workflow_id: UUID) -> dict[str, Json]:
        """Return the state that the events of a workflow have set, by key."""
        found = dict(
            _entry(Json(data)) for data in await self._read(SCALAR, "state", tenant_id=tenant_id, id=workflow_id)
        )
        return dict(sorted(found.items()))

    async def _read(self, rows: RowFactory[Row], query: str, **parameters: Any) -> list[Row]:
        return await read(self._database, rows, _SQL[query], parameters)
