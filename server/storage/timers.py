"""Timers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.connection import DatabaseConnection
from core.named_queries import named_queries
from server.database.effects import count
from server.domain.timer import NewTimer, TimerKey
from server.storage.columns import columns
from server.storage.rows import NAMED, fetch
from server.storage.workflows import WorkflowKey, key_columns

_SQL = named_queries(__package__, "timers.sql")


class TimerRepository:
    """Reads and writes ``timer``, in the transactions of its callers, who lock the workflows first."""

    async def insert(self, connection: DatabaseConnection, timers: Sequence[NewTimer]) -> None:
        """Insert timers; their durations begin now."""
        await connection.execute(_SQL["insert"], columns(timers, "tenant_id", "workflow_id", "timer_id", "duration_ms"))

    async def existing(self, connection: DatabaseConnection, keys: Sequence[TimerKey]) -> dict[TimerKey, bool]:
        """Return the timers that exist, and whether each is active: it has not fired and is not cancelled."""
        rows = await fetch(connection, NAMED, _SQL["existing"], _columns(keys))
        return {_key(row): row.is_active for row in rows}

    async def cancel(self, connection: DatabaseConnection, keys: Sequence[TimerKey]) -> None:
        """Cancel timers."""
        await connection.execute(_SQL["cancel"], _columns(keys))

    async def abandon_of_workflows(self, connection: DatabaseConnection, workflows: Sequence[WorkflowKey]) -> None:
        """Mark the active timers of ended workflows as abandoned."""
        await connection.execute(_SQL["abandon_of_workflows"], key_columns(workflows))

    async def due(self, connection: DatabaseConnection, limit: int) -> list[WorkflowKey]:
        """Return the workflows of the ``limit`` timers that are overdue longest."""
        rows = await fetch(connection, NAMED, _SQL["due"], {"limit": limit})
        return [(row.tenant_id, row.workflow_execution_id) for row in rows]

    async def fire(self, connection: DatabaseConnection, workflows: Sequence[WorkflowKey]) -> list[TimerKey]:
        """Mark the due timers of locked workflows as fired, and return them in order."""
        rows = await fetch(connection, NAMED, _SQL["fire"], key_columns(workflows))
        count(connection, lambda meter: meter.timers_fired([row.late for row in rows]))
        return [_key(row) for row in rows]


def _key(row: Any) -> TimerKey:
    return row.tenant_id, row.workflow_execution_id, row.timer_id


def _columns(keys: Sequence[TimerKey]) -> dict[str, list[Any]]:
    return {
        "tenant_id": [key[0] for key in keys],
        "workflow_id": [key[1] for key in keys],
        "timer_id": [key[2] for key in keys],
    }
