"""Timers in the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.named_queries import named_queries
from server.domain.timer import NewTimer, TimerKey
from server.storage.columns import columns
from server.storage.workflows import WorkflowKey, key_columns

_SQL = named_queries(__package__, "timers.sql")


class TimerRepository:
    """Reads and writes ``timer``, inside the transactions of others: their workflows are locked first."""

    async def insert(self, connection: Any, timers: Sequence[NewTimer]) -> None:
        """Insert timers; their duration begins now."""
        await connection.execute(_SQL["insert"], columns(timers, "tenant_id", "workflow_id", "timer_id", "duration_ms"))

    async def existing(self, connection: Any, keys: Sequence[TimerKey]) -> dict[TimerKey, bool]:
        """Return those timers that exist, and whether they are still to fire."""
        rows = await (await connection.execute(_SQL["existing"], _columns(keys))).fetchall()
        return {(row[0], row[1], row[2]): row[3] for row in rows}

    async def cancel(self, connection: Any, keys: Sequence[TimerKey]) -> None:
        """Keep timers from firing."""
        await connection.execute(_SQL["cancel"], _columns(keys))

    async def abandon_of_workflows(self, connection: Any, workflows: Sequence[WorkflowKey]) -> None:
        """Keep the timers of ended workflows from firing."""
        await connection.execute(_SQL["abandon_of_workflows"], key_columns(workflows))

    async def due(self, connection: Any, limit: int) -> list[WorkflowKey]:
        """Return workflows that have timers to fire: those of the ``limit`` timers that are overdue longest."""
        rows: list[WorkflowKey] = await (await connection.execute(_SQL["due"], {"limit": limit})).fetchall()
        return rows

    async def fire(self, connection: Any, workflows: Sequence[WorkflowKey]) -> list[TimerKey]:
        """Mark the due timers of locked workflows as fired and return them in order."""
        rows: list[TimerKey] = await (await connection.execute(_SQL["fire"], key_columns(workflows))).fetchall()
        return rows


def _columns(keys: Sequence[TimerKey]) -> dict[str, list[Any]]:
    return {
        "tenant_id": [key[0] for key in keys],
        "workflow_id": [key[1] for key in keys],
        "timer_id": [key[2] for key in keys],
    }
