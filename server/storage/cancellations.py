"""Requests to cancel runs in the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.named_queries import named_queries
from server.domain.cancellation import CancellationRequest, ChildCancellation
from server.storage.columns import columns
from server.storage.workflows import WorkflowKey, key_columns

_SQL = named_queries(__package__, "cancellations.sql")


class CancellationRepository:
    """Reads and writes ``cancellation_request``, inside the transactions of others."""

    async def request(self, connection: Any, requests: Sequence[CancellationRequest]) -> None:
        """Store requests; one that is stored for a workflow already stays."""
        parameters = columns(requests, "tenant_id", "workflow_id", "reason", "requested_by", "cascades")
        await connection.execute(_SQL["request"], parameters)

    async def request_named_children(self, connection: Any, children: Sequence[ChildCancellation]) -> None:
        """Store requests for open children as their parents name them; unknown ones are left out."""
        parameters = columns(children, "tenant_id", "parent_id", "child_id", "name", "reason", "requested_by")
        await connection.execute(_SQL["request_named_children"], parameters)

    async def request_children(
        self, connection: Any, parents: Sequence[CancellationRequest]
    ) -> list[CancellationRequest]:
        """Store requests for the open children of cancelled workflows and return them."""
        parameters = columns(parents, "tenant_id", "workflow_id", "reason", "requested_by")
        return _requests(await (await connection.execute(_SQL["request_children"], parameters)).fetchall())

    async def cancelled_family(self, connection: Any, workflow: WorkflowKey, limit: int) -> list[WorkflowKey]:
        """Return a workflow, where it was cancelled, and those below it that were cancelled with it, level by level."""
        parameters = {"tenant_id": workflow[0], "id": workflow[1], "limit": limit}
        rows = await (await connection.execute(_SQL["cancelled_family"], parameters)).fetchall()
        return [(workflow[0], row[0]) for row in rows]

    async def outstanding_below(self, connection: Any, workflow: WorkflowKey, limit: int) -> list[CancellationRequest]:
        """Return requests for open children of a cancelled workflow and of those below it."""
        parameters = {"tenant_id": workflow[0], "id": workflow[1], "limit": limit}
        return _requests(await (await connection.execute(_SQL["outstanding_below"], parameters)).fetchall())

    async def remove(self, connection: Any, workflows: Sequence[WorkflowKey]) -> None:
        """Remove the requests of workflows that have ended."""
        await connection.execute(_SQL["remove"], key_columns(workflows))

    async def of_workflows(self, connection: Any, workflows: Sequence[WorkflowKey]) -> list[CancellationRequest]:
        """Return the requests of workflows."""
        return _requests(await (await connection.execute(_SQL["of_workflows"], key_columns(workflows))).fetchall())

    async def outstanding(self, connection: Any, limit: int) -> list[CancellationRequest]:
        """Return requests that can be carried out now, the oldest first."""
        return _requests(await (await connection.execute(_SQL["outstanding"], {"limit": limit})).fetchall())

    async def overdue(self, connection: Any, lease: float, limit: int) -> list[CancellationRequest]:
        """Return the requests of workflows that were claimed more than ``lease`` seconds ago."""
        parameters = {"lease": lease, "limit": limit}
        return _requests(await (await connection.execute(_SQL["overdue"], parameters)).fetchall())


def _requests(rows: Sequence[tuple[Any, ...]]) -> list[CancellationRequest]:
    return [CancellationRequest(*row) for row in rows]
