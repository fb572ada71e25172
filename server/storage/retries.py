"""Retries of failed workflows by hand, in the transaction that has locked the workflow."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from core.connection import DatabaseConnection
from core.named_queries import named_queries
from server.domain.workflow_event import CODE_EVENTS, EventType
from server.storage.rows import NAMED, SCALAR, fetch, fetch_one
from server.storage.workflows import WorkflowKey

_SQL = named_queries(__package__, "retries.sql")


class RetryRepository:
    """Undoes the end of a failed workflow."""

    async def supersede(self, connection: DatabaseConnection, workflow: WorkflowKey) -> list[UUID]:
        """Hide the end of the workflow from workers, and the task failures that caused it; return the failed tasks."""
        parameters = {**_key(workflow), "code_events": sorted(CODE_EVENTS)}
        rows = await fetch(connection, NAMED, _SQL["supersede"], parameters)
        return [UUID(row.task_id) for row in rows if row.event_type == EventType.TASK_FAILED]

    async def retried(self, connection: DatabaseConnection, workflow: WorkflowKey) -> int | None:
        """Return how often an open workflow has been retried; None when it has not been retried, or has ended."""
        count: int | None = await fetch_one(connection, SCALAR, _SQL["retried"], _key(workflow))
        return count

    async def requeue(
        self, connection: DatabaseConnection, workflow: WorkflowKey, tasks: list[UUID]
    ) -> list[tuple[str, str]]:
        """Make failed tasks pending again; return queue and kind of each."""
        rows = await fetch(connection, NAMED, _SQL["requeue"], {**_key(workflow), "task_ids": tasks})
        return [(row.queue, row.kind) for row in rows]

    async def revive(self, connection: DatabaseConnection, workflow: WorkflowKey) -> int:
        """Make the workflow pending again; return how often it has been retried now."""
        [count] = await fetch(connection, SCALAR, _SQL["revive"], _key(workflow))
        return int(count)


def _key(workflow: WorkflowKey) -> dict[str, Any]:
    return {"tenant_id": workflow[0], "id": workflow[1]}
