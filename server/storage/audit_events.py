"""What was asked about runs, in the database beside their histories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.named_queries import named_queries
from core.payload import Json
from server.domain.audit_event import AuditEvent, NewAuditEvent
from server.storage.columns import columns
from server.storage.workflows import WorkflowKey

_SQL = named_queries(__package__, "audit_events.sql")


class AuditEventRepository:
    """Reads and writes ``workflow_audit_event``."""

    async def insert(self, connection: Any, events: Sequence[NewAuditEvent]) -> None:
        """Store events, in the connection's transaction."""
        await connection.execute(_SQL["insert"], columns(events, "tenant_id", "workflow_id", "type", "data"))

    async def of_workflow(self, connection: Any, workflow: WorkflowKey, limit: int) -> list[AuditEvent]:
        """Return a workflow's events, oldest first."""
        parameters = {"tenant_id": workflow[0], "id": workflow[1], "limit": limit}
        rows = await (await connection.execute(_SQL["of_workflow"], parameters)).fetchall()
        return [AuditEvent(number, kind, Json(data), at) for number, kind, data, at in rows]
