"""What was asked about runs, in the database beside their histories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.named_queries import named_queries
from core.payload import Json
from server.domain.audit_event import AuditEvent, NewAuditEvent
from server.storage.columns import columns
from server.storage.workflows import RunKey

_SQL = named_queries(__package__, "audit_events.sql")


class AuditEventRepository:
    """Reads and writes ``workflow_audit_event``."""

    async def insert(self, connection: Any, events: Sequence[NewAuditEvent]) -> None:
        """Store events, in the connection's transaction."""
        await connection.execute(_SQL["insert"], columns(events, "tenant_id", "run_id", "type", "data"))

    async def of_run(self, connection: Any, run: RunKey, limit: int) -> list[AuditEvent]:
        """Return a run's events, oldest first."""
        parameters = {"tenant_id": run[0], "id": run[1], "limit": limit}
        rows = await (await connection.execute(_SQL["of_run"], parameters)).fetchall()
        return [AuditEvent(number, kind, Json(data), at) for number, kind, data, at in rows]
