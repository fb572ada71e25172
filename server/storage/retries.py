"""Retrying failed runs by hand, in the database; inside the transaction that has locked the run."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from core.named_queries import named_queries
from server.storage.workflows import RunKey

_SQL = named_queries(__package__, "retries.sql")


class RetryRepository:
    """Takes back the end of a failed run."""

    async def supersede(self, connection: Any, run: RunKey) -> list[UUID]:
        """Hide the run's end from workers, and the failures of tasks on which it ended; return those tasks."""
        rows = await (await connection.execute(_SQL["supersede"], _run(run))).fetchall()
        return [UUID(task_id) for event_type, task_id in rows if event_type == "TASK_FAILED"]

    async def retried(self, connection: Any, run: RunKey) -> int | None:
        """Return how often an open run has been retried; None where it has not been, or has ended."""
        row = await (await connection.execute(_SQL["retried"], _run(run))).fetchone()
        return None if row is None else int(row[0])

    async def requeue(self, connection: Any, run: RunKey, tasks: list[UUID]) -> list[tuple[str, str]]:
        """Make failed tasks pending again; return queue and kind of each."""
        parameters = {**_run(run), "task_ids": tasks}
        rows: list[tuple[str, str]] = await (await connection.execute(_SQL["requeue"], parameters)).fetchall()
        return rows

    async def revive(self, connection: Any, run: RunKey) -> int:
        """Make the run pending again; return how often that has been done by now."""
        row = await (await connection.execute(_SQL["revive"], _run(run))).fetchone()
        return int(row[0])


def _run(run: RunKey) -> dict[str, Any]:
    return {"tenant_id": run[0], "id": run[1]}
