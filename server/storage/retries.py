"""Retrying failed workflows by hand, in the database; inside the transaction that has locked the workflow."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from core.named_queries import named_queries
from server.storage.workflows import WorkflowKey

_SQL = named_queries(__package__, "retries.sql")


class RetryRepository:
    """Takes back the end of a failed workflow."""

    async def supersede(self, connection: Any, workflow: WorkflowKey) -> list[UUID]:
        """Hide the workflow's end from workers, and the failures of tasks on which it ended; return those tasks."""
        rows = await (await connection.execute(_SQL["supersede"], _run(workflow))).fetchall()
        return [UUID(task_id) for event_type, task_id in rows if event_type == "TASK_FAILED"]

    async def retried(self, connection: Any, workflow: WorkflowKey) -> int | None:
        """Return how often an open workflow has been retried; None where it has not been, or has ended."""
        row = await (await connection.execute(_SQL["retried"], _run(workflow))).fetchone()
        return None if row is None else int(row[0])

    async def requeue(self, connection: Any, workflow: WorkflowKey, tasks: list[UUID]) -> list[tuple[str, str]]:
        """Make failed tasks pending again; return queue and kind of each."""
        parameters = {**_run(workflow), "task_ids": tasks}
        rows: list[tuple[str, str]] = await (await connection.execute(_SQL["requeue"], parameters)).fetchall()
        return rows

    async def revive(self, connection: Any, workflow: WorkflowKey) -> int:
        """Make the workflow pending again; return how often that has been done by now."""
        row = await (await connection.execute(_SQL["revive"], _run(workflow))).fetchone()
        return int(row[0])


def _run(workflow: WorkflowKey) -> dict[str, Any]:
    return {"tenant_id": workflow[0], "id": workflow[1]}
