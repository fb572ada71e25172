"""Retries of failed workflows by hand, in the transaction that has locked the workflows."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from core.connection import DatabaseConnection
from core.named_queries import named_queries
from server.domain.workflow_event import CODE_EVENTS, EventType
from server.storage.rows import NAMED, SCALAR, fetch, fetch_one
from server.storage.workflows import WorkflowKey, key_columns

_SQL = named_queries(__package__, "retries.sql")

FailedTask = tuple[WorkflowKey, UUID]
"""The workflow of a task, and the task."""


class RetryRepository:
    """Undoes the ends of failed workflows."""

    async def supersede(self, connection: DatabaseConnection, workflows: Sequence[WorkflowKey]) -> list[FailedTask]:
        """Hide the ends of workflows from workers, and the failures that caused them; return the failed tasks."""
        parameters = {**key_columns(workflows), "code_events": sorted(CODE_EVENTS)}
        rows = await fetch(connection, NAMED, _SQL["supersede"], parameters)
        failures = [row for row in rows if row.event_type == EventType.TASK_FAILED]
        return [((row.tenant_id, row.id), UUID(row.task_id)) for row in failures]

    async def retried(self, connection: DatabaseConnection, workflow: WorkflowKey) -> int | None:
        """Return how often an open workflow has been retried; None when it has not been retried, or has ended."""
        parameters = {"tenant_id": workflow[0], "id": workflow[1]}
        count: int | None = await fetch_one(connection, SCALAR, _SQL["retried"], parameters)
        return count

    async def requeue(
        self, connection: DatabaseConnection, tasks: Sequence[FailedTask]
    ) -> list[tuple[tuple[UUID, str], str]]:
        """Make failed tasks pending again; return queue and kind of each."""
        parameters = {**key_columns([workflow for workflow, _ in tasks]), "task_id": [task for _, task in tasks]}
        rows = await fetch(connection, NAMED, _SQL["requeue"], parameters)
        return [((row.tenant_id, row.queue), row.kind) for row in rows]

    async def revive(self, connection: DatabaseConnection, workflows: Sequence[WorkflowKey]) -> dict[WorkflowKey, int]:
        """Make workflows pending again; return how often each has been retried now."""
        rows = await fetch(connection, NAMED, _SQL["revive"], key_columns(workflows))
        return {(row.tenant_id, row.id): row.retry_count for row in rows}
