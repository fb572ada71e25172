"""Progress, log lines and state of tasks in the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.named_queries import named_queries
from core.payload import Json
from core.plugin_services import Database
from server.domain.task_note import Heartbeat, LogLine, Progress, StateEntry, StateKey
from server.storage.columns import columns
from server.storage.tasks import TaskKey

_SQL = named_queries(__package__, "task_notes.sql")


Sender = tuple[UUID, UUID, str | None]
"""Tenant, task, and the caller as a holder."""


@dataclass(frozen=True, slots=True)
class Found:
    """The state of a task that was written to: status, whether it ran, whether a former holder wrote, its workflow."""

    status: str
    was_running: bool
    is_former: bool
    workflow_id: UUID | None


class TaskNoteRepository:
    """Writes what is noted on ``task_execution``, and reads and writes ``task_log`` and ``task_state``.

    Every method tells which tasks are known; what concerns others is not written.
    """

    def __init__(self, database: Database) -> None:
        """Take the pool."""
        self._database = database

    async def report_progress(self, reports: Sequence[Progress]) -> dict[Sender, Found]:
        """Write the progress of running tasks; the last report of a sender on a task counts."""
        last = list({(each.tenant_id, each.task_id, each.sent_by): each for each in reports}.values())
        rows = await self._rows(
            "report_progress", columns(last, "tenant_id", "task_id", "progress", "details", "sent_by")
        )
        return _found(rows)

    async def heartbeat(self, beats: Sequence[Heartbeat]) -> dict[Sender, Found]:
        """Note that the workers of running tasks are alive."""
        rows = await self._rows("heartbeat", columns(list(set(beats)), "tenant_id", "task_id", "sent_by"))
        return _found(rows)

    async def log(self, lines: Sequence[LogLine]) -> set[TaskKey]:
        """Append lines to the logs of tasks, in order."""
        rows = await self._rows("log", columns(lines, "tenant_id", "task_id", "level", "message"))
        return {(row[0], row[1]) for row in rows}

    async def get_state(self, keys: Sequence[StateKey]) -> dict[StateKey, Json | None]:
        """Return values; None where a known task has none of that key."""
        rows = await self._rows("get_state", columns(keys, "tenant_id", "task_id", "key"))
        return {StateKey(*row[:3]): row[3] for row in rows}

    async def set_state(self, entries: Sequence[StateEntry]) -> set[TaskKey]:
        """Write values; the last one for a key counts."""
        last = list({(each.tenant_id, each.task_id, each.key): each for each in entries}.values())
        rows = await self._rows("set_state", columns(last, "tenant_id", "task_id", "key", "value"))
        return {(row[0], row[1]) for row in rows}

    async def clear_state(self, keys: Sequence[tuple[TaskKey, str | None]]) -> set[TaskKey]:
        """Remove single keys; None stands for all of a task's."""
        parameters: dict[str, list[Any]] = _keys([task for task, _ in keys])
        rows = await self._rows("clear_state", {**parameters, "key": [key for _, key in keys]})
        return {(row[0], row[1]) for row in rows}

    async def state_keys(self, tasks: Sequence[TaskKey]) -> dict[TaskKey, list[str]]:
        """Return the keys that tasks have, sorted."""
        rows = await self._rows("state_keys", _keys(list(set(tasks))))
        return {(row[0], row[1]): row[2] for row in rows}

    async def _rows(self, query: str, parameters: dict[str, list[Any]]) -> list[tuple[Any, ...]]:
        async with self._database.connection() as connection:
            rows: list[tuple[Any, ...]]
            rows = await (await connection.execute(_SQL[query], parameters)).fetchall()
        return rows


def _found(rows: Sequence[Sequence[Any]]) -> dict[Sender, Found]:
    return {(row[0], row[1], row[2]): Found(*row[3:]) for row in rows}


def _keys(tasks: Sequence[TaskKey]) -> dict[str, list[Any]]:
    return {"tenant_id": [task[0] for task in tasks], "task_id": [task[1] for task in tasks]}
