"""Schedules, and the outcome of each due instant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from core.connection import DatabaseConnection, RowFactory
from core.named_queries import named_queries
from core.paging import PageMembers, Paging, Position
from core.payload import dump
from core.plugin_services import Database
from server.domain.schedule import MissedRunPolicy, OverlapPolicy, Schedule, ScheduleRun, ScheduleSpec, TargetType
from server.storage.columns import columns
from server.storage.lists import ListStatements
from server.storage.rows import NAMED, SCALAR, Row, fetch, fetch_one, read, record_row

_SQL = named_queries(__package__, "schedules.sql")
_RUNS_SQL = named_queries(__package__, "schedule_runs.sql")
_LIST = ListStatements(_SQL, "reading its pages")
_RUN_LIST = ListStatements(_RUNS_SQL, "reading its pages")
_RUN = record_row(ScheduleRun)
_SPEC = [field.name for field in fields(ScheduleSpec)]

ScheduleKey = tuple[UUID, UUID]
"""Tenant and schedule."""


def _position(schedule: Schedule) -> Position:
    return schedule.created_at, schedule.id


def _run_position(run: ScheduleRun) -> Position:
    return run.scheduled_for, run.id


class ScheduleRepository:
    """Reads and writes ``schedule`` and ``schedule_run``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(self, key: ScheduleKey, spec: ScheduleSpec, next_run_at: datetime | None, by: str) -> None:
        """Insert a schedule."""
        async with self._database.connection() as connection:
            await connection.execute(_SQL["insert"], {**_written(key, spec, next_run_at), "created_by": by})

    async def replace(
        self, connection: DatabaseConnection, key: ScheduleKey, spec: ScheduleSpec, next_run_at: datetime | None
    ) -> None:
        """Replace the rule of a locked schedule; its id stays."""
        await connection.execute(_SQL["replace"], _written(key, spec, next_run_at))

    async def get(self, key: ScheduleKey) -> Schedule | None:
        """Return a schedule."""
        rows = await self._read(_schedule, "get", tenant_id=key[0], id=key[1])
        return rows[0] if rows else None

    async def page(self, tenant_id: UUID, paging: Paging) -> tuple[list[Schedule], PageMembers]:
        """Return a page of schedules, newest first, and the members of its answer.

        Raises:
            TooBroad: the exact count takes too long.
        """
        wanted = {"tenant_id": tenant_id}
        rows = await _LIST.page(self._database, _schedule, wanted, paging)
        return await paging.page(rows, _position, _LIST.counter(self._database, wanted))

    async def delete(self, key: ScheduleKey) -> bool:
        """Delete a schedule, and return whether it existed; work that it started goes on."""
        return bool(await self._read(SCALAR, "delete", tenant_id=key[0], id=key[1]))

    async def runs(self, key: ScheduleKey, paging: Paging) -> tuple[list[ScheduleRun], PageMembers]:
        """Return a page of the outcomes of due instants, newest first, and the members of its answer.

        Raises:
            TooBroad: the exact count takes too long.
        """
        wanted = {"tenant_id": key[0], "schedule_id": key[1]}
        rows = await _RUN_LIST.page(self._database, _RUN, wanted, paging)
        return await paging.page(rows, _run_position, _RUN_LIST.counter(self._database, wanted))

    async def lock(self, connection: DatabaseConnection, key: ScheduleKey) -> Schedule | None:
        """Lock a schedule and return it."""
        return await fetch_one(connection, _schedule, _SQL["lock"], {"tenant_id": key[0], "id": key[1]})

    async def due(self, connection: DatabaseConnection, limit: int) -> list[Schedule]:
        """Lock due schedules, except those that another transaction has locked, and return them."""
        return await fetch(connection, _schedule, _SQL["due"], {"limit": limit})

    async def open(
        self, connection: DatabaseConnection, keys: Sequence[ScheduleKey]
    ) -> dict[ScheduleKey, tuple[Any, Any]]:
        """Return the workflow and the task that each schedule started last, where that is open; one of them is None."""
        parameters = {"tenant_id": [key[0] for key in keys], "id": [key[1] for key in keys]}
        rows = await fetch(connection, NAMED, _SQL["open"], parameters)
        return {(row.tenant_id, row.schedule_id): (row.workflow_execution_id, row.task_execution_id) for row in rows}

    async def record(self, connection: DatabaseConnection, runs: Sequence[tuple[ScheduleRun, datetime | None]]) -> None:
        """Insert the outcomes of due instants, and set when each schedule is due again."""
        parameters = columns(
            [run for run, _ in runs],
            *("tenant_id", "schedule_id", "id", "scheduled_for", "status"),
            *("workflow_execution_id", "task_execution_id", "error"),
        )
        await connection.execute(_SQL["record"], parameters | {"next_run_at": [each for _, each in runs]})

    async def _read(self, rows: RowFactory[Row], query: str, **parameters: Any) -> list[Row]:
        return await read(self._database, rows, _SQL[query], parameters)


def _written(key: ScheduleKey, spec: ScheduleSpec, next_run_at: datetime | None) -> dict[str, Any]:
    written = {**asdict(spec), "metadata": dump(dict(spec.metadata))}
    return {**written, "tenant_id": key[0], "id": key[1], "next_run_at": next_run_at}


def _schedule(cursor: Any) -> Callable[[Sequence[Any]], Schedule]:
    """Make schedules of rows: a row holds the fields of a schedule and, among them, those of its specification."""
    make_row = NAMED(cursor)

    def make(values: Sequence[Any]) -> Schedule:
        row = make_row(values)._asdict()
        spec = ScheduleSpec(**{name: row.pop(name) for name in _SPEC})
        return Schedule(spec=_with_enums(spec), **row)

    return make


def _with_enums(spec: ScheduleSpec) -> ScheduleSpec:
    return replace(
        spec,
        target=TargetType(spec.target),
        missed_run_policy=MissedRunPolicy(spec.missed_run_policy),
        overlap_policy=OverlapPolicy(spec.overlap_policy),
    )
