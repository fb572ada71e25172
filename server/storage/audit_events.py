"""Requests about workflow executions, stored beside their histories."""

from __future__ import annotations

from collections.abc import Sequence

from core.connection import DatabaseConnection
from core.named_queries import named_queries
from server.domain.audit_event import AuditEvent, NewAuditEvent
from server.storage.columns import columns
from server.storage.rows import fetch, record_row
from server.storage.workflows import WorkflowKey

_SQL = named_queries(__package__, "audit_events.sql")
_EVENT = record_row(AuditEvent)


class AuditEventRepository:
    """Reads and writes ``workflow_audit_event``."""

    async def insert(self, connection: DatabaseConnection, events: Sequence[NewAuditEvent]) -> None:
        """Insert events, in the transaction of the connection."""
        await connection.execute(_SQL["insert"], columns(events, "tenant_id", "workflow_id", "type", "data"))

    async def of_workflow(self, connection: DatabaseConnection, workflow: WorkflowKey, limit: int) -> list[AuditEvent]:
        """Return the events of a workflow execution, oldest first."""
        parameters = {"tenant_id": workflow[0], "id": workflow[1], "limit": limit}
        return await fetch(connection, _EVENT, _SQL["of_workflow"], parameters)
