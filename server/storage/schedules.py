"""Schedules and what they started, in the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from core.named_queries import named_queries
from core.payload import dump
from core.plugin_services import Database
from server.domain.schedule import MissedRunPolicy, OverlapPolicy, Schedule, ScheduleRun, ScheduleSpec, TargetType
from server.storage.columns import columns

_SQL = named_queries(__package__, "schedules.sql")

ScheduleKey = tuple[UUID, UUID]
"""Tenant and schedule."""


class ScheduleRepository:
    """Reads and writes ``schedule`` and ``schedule_run``."""

    def __init__(self, database: Database) -> None:
        """Take the pool."""
        self._database = database

    async def insert(self, key: ScheduleKey, spec: ScheduleSpec, next_run_at: datetime | None, by: str) -> None:
        """Insert a schedule."""
        await self._rows("insert", returns=False, **_written(key, spec, next_run_at), created_by=by)

    async def replace(
        self, connection: Any, key: ScheduleKey, spec: ScheduleSpec, next_run_at: datetime | None
    ) -> None:
        """Let a locked schedule be another one under the same id."""
        await connection.execute(_SQL["replace"], _written(key, spec, next_run_at))

    async def get(self, key: ScheduleKey) -> Schedule | None:
        """Return a schedule."""
        rows = await self._rows("get", tenant_id=key[0], id=key[1])
        return _schedule(rows[0]) if rows else None

    async def page(self, tenant_id: UUID, limit: int, offset: int) -> tuple[list[Schedule], int]:
        """Return a page of schedules, newest first, and how many there are."""
        rows = await self._rows("page", tenant_id=tenant_id, limit=limit, offset=offset)
        total = await self._rows("count", tenant_id=tenant_id)
        return [_schedule(row) for row in rows], total[0][0]

    async def delete(self, key: ScheduleKey) -> bool:
        """Delete a schedule; what it started goes on. Return whether there was one."""
        return bool(await self._rows("delete", tenant_id=key[0], id=key[1]))

    async def runs(self, key: ScheduleKey, limit: int, offset: int) -> tuple[list[ScheduleRun], int]:
        """Return a page of what became of due instants, newest first, and how many there are."""
        rows = await self._rows("runs", tenant_id=key[0], id=key[1], limit=limit, offset=offset)
        total = await self._rows("count_runs", tenant_id=key[0], id=key[1])
        return [ScheduleRun(*row) for row in rows], total[0][0]

    async def lock(self, connection: Any, key: ScheduleKey) -> Schedule | None:
        """Lock a schedule and return it."""
        parameters = {"tenant_id": key[0], "id": key[1]}
        row = await (await connection.execute(_SQL["lock"], parameters)).fetchone()
        return None if row is None else _schedule(row)

    async def due(self, connection: Any, limit: int) -> list[Schedule]:
        """Lock due schedules that nobody else has locked, and return them."""
        rows = await (await connection.execute(_SQL["due"], {"limit": limit})).fetchall()
        return [_schedule(row) for row in rows]

    async def open(self, connection: Any, keys: Sequence[ScheduleKey]) -> dict[ScheduleKey, tuple[Any, Any]]:
        """Return the run and the task that each schedule started last, where that is open; one of them is None."""
        parameters = {"tenant_id": [key[0] for key in keys], "id": [key[1] for key in keys]}
        rows = await (await connection.execute(_SQL["open"], parameters)).fetchall()
        return {(row[0], row[1]): (row[2], row[3]) for row in rows}

    async def record(self, connection: Any, runs: Sequence[tuple[ScheduleRun, datetime | None]]) -> None:
        """Write what became of due instants, and when each schedule is due again."""
        parameters = columns(
            [run for run, _ in runs],
            *("tenant_id", "schedule_id", "id", "scheduled_for", "status"),
            *("workflow_execution_id", "task_execution_id", "error"),
        )
        await connection.execute(_SQL["record"], parameters | {"next_run_at": [each for _, each in runs]})

    async def _rows(self, query: str, *, returns: bool = True, **parameters: Any) -> list[tuple[Any, ...]]:
        async with self._database.connection() as connection:
            cursor = await connection.execute(_SQL[query], parameters)
            rows: list[tuple[Any, ...]] = await cursor.fetchall() if returns else []
        return rows


def _written(key: ScheduleKey, spec: ScheduleSpec, next_run_at: datetime | None) -> dict[str, Any]:
    written = {**asdict(spec), "metadata": dump(dict(spec.metadata))}
    return {**written, "tenant_id": key[0], "id": key[1], "next_run_at": next_run_at}


def _schedule(row: Sequence[Any]) -> Schedule:
    spec = replace(
        ScheduleSpec(*row[2:17]),
        target=TargetType(row[8]),
        missed_run_policy=MissedRunPolicy(row[14]),
        overlap_policy=OverlapPolicy(row[15]),
    )
    return Schedule(row[0], row[1], spec, *row[17:])
