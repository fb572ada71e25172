"""Requests to cancel workflow executions."""

from __future__ import annotations

from collections.abc import Sequence

from core.connection import DatabaseConnection
from core.named_queries import named_queries
from server.domain.cancellation import CancellationRequest, ChildCancellation
from server.storage.columns import columns
from server.storage.rows import SCALAR, fetch, record_row
from server.storage.workflows import WorkflowKey, key_columns

_SQL = named_queries(__package__, "cancellations.sql")
_REQUEST = record_row(CancellationRequest)


class CancellationRepository:
    """Reads and writes ``cancellation_request``, in the transactions of its callers."""

    async def request(self, connection: DatabaseConnection, requests: Sequence[CancellationRequest]) -> None:
        """Insert requests; an earlier request for the same workflow stays."""
        parameters = columns(requests, "tenant_id", "workflow_id", "reason", "requested_by", "cascades")
        await connection.execute(_SQL["request"], parameters)

    async def request_named_children(
        self, connection: DatabaseConnection, children: Sequence[ChildCancellation]
    ) -> None:
        """Insert requests for open children as their parents name them; unknown children are left out."""
        parameters = columns(children, "tenant_id", "parent_id", "child_id", "name", "reason", "requested_by")
        await connection.execute(_SQL["request_named_children"], parameters)

    async def request_children(
        self, connection: DatabaseConnection, parents: Sequence[CancellationRequest]
    ) -> list[CancellationRequest]:
        """Insert requests for the open children of cancelled workflows, and return the requests."""
        parameters = columns(parents, "tenant_id", "workflow_id", "reason", "requested_by")
        return await fetch(connection, _REQUEST, _SQL["request_children"], parameters)

    async def cancelled_family(
        self, connection: DatabaseConnection, workflow: WorkflowKey, limit: int
    ) -> list[WorkflowKey]:
        """Return a cancelled workflow and its descendants that were cancelled with it, level by level."""
        parameters = {"tenant_id": workflow[0], "id": workflow[1], "limit": limit}
        ids = await fetch(connection, SCALAR, _SQL["cancelled_family"], parameters)
        return [(workflow[0], workflow_id) for workflow_id in ids]

    async def outstanding_below(
        self, connection: DatabaseConnection, workflow: WorkflowKey, limit: int
    ) -> list[CancellationRequest]:
        """Return requests for open children of a cancelled workflow and of its cancelled descendants."""
        parameters = {"tenant_id": workflow[0], "id": workflow[1], "limit": limit}
        return await fetch(connection, _REQUEST, _SQL["outstanding_below"], parameters)

    async def remove(self, connection: DatabaseConnection, workflows: Sequence[WorkflowKey]) -> None:
        """Delete the requests of workflows that have ended."""
        await connection.execute(_SQL["remove"], key_columns(workflows))

    async def of_workflows(
        self, connection: DatabaseConnection, workflows: Sequence[WorkflowKey]
    ) -> list[CancellationRequest]:
        """Return the requests of workflows."""
        return await fetch(connection, _REQUEST, _SQL["of_workflows"], key_columns(workflows))

    async def outstanding(self, connection: DatabaseConnection, limit: int) -> list[CancellationRequest]:
        """Return requests that can be carried out now, oldest first."""
        return await fetch(connection, _REQUEST, _SQL["outstanding"], {"limit": limit})

    async def overdue(self, connection: DatabaseConnection, lease: float, limit: int) -> list[CancellationRequest]:
        """Return the requests of workflows that were claimed more than ``lease`` seconds ago."""
        parameters = {"lease": lease, "limit": limit}
        return await fetch(connection, _REQUEST, _SQL["overdue"], parameters)
