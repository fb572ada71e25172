"""Progress, heartbeats, log lines and state of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.connection import RowFactory
from core.named_queries import named_queries
from core.payload import Json
from core.plugin_services import Database
from server.domain.task_note import Heartbeat, LogLine, Progress, StateEntry, StateKey
from server.storage.columns import columns
from server.storage.rows import NAMED, Row, keyed_row, read
from server.storage.tasks import TaskKey

_SQL = named_queries(__package__, "task_notes.sql")


Sender = tuple[UUID, UUID, str | None]
"""Tenant, task, and the holder that the caller is."""


@dataclass(frozen=True, slots=True)
class Found:
    """A task that a caller wrote to.

    Attributes:
        status: the stored status.
        was_running: whether it was running, so that the note was written.
        is_former: whether the caller is a former holder, so that nothing was written.
        workflow_id: the workflow of the task; None for a standalone task.
    """

    status: str
    was_running: bool
    is_former: bool
    workflow_id: UUID | None


_FOUND = keyed_row(Found, "tenant_id", "id", "sent_by")
_STATE_KEY = keyed_row(StateKey, "value")


class TaskNoteRepository:
    """Writes notes on ``task_execution``, and reads and writes ``task_log`` and ``task_state``.

    Every method returns the tasks that exist; notes on unknown tasks are not written.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def report_progress(self, reports: Sequence[Progress]) -> dict[Sender, Found]:
        """Write the progress of running tasks; the last report of a sender on a task counts."""
        last = list({(each.tenant_id, each.task_id, each.sent_by): each for each in reports}.values())
        parameters = columns(last, "tenant_id", "task_id", "progress", "details", "sent_by")
        return _by_sender(await self._read(_FOUND, "report_progress", parameters))

    async def heartbeat(self, beats: Sequence[Heartbeat]) -> dict[Sender, Found]:
        """Write the heartbeats of running tasks."""
        parameters = columns(list(set(beats)), "tenant_id", "task_id", "sent_by")
        return _by_sender(await self._read(_FOUND, "heartbeat", parameters))

    async def log(self, lines: Sequence[LogLine]) -> set[TaskKey]:
        """Append lines to the logs of tasks, in order."""
        rows = await self._read(NAMED, "log", columns(lines, "tenant_id", "task_id", "level", "message"))
        return {(row.tenant_id, row.task_execution_id) for row in rows}

    async def get_state(self, keys: Sequence[StateKey]) -> dict[StateKey, Json | None]:
        """Return the values of keys; None where a task exists and has no such key."""
        rows = await self._read(_STATE_KEY, "get_state", columns(keys, "tenant_id", "task_id", "key"))
        return {key: value for (value,), key in rows}

    async def set_state(self, entries: Sequence[StateEntry]) -> set[TaskKey]:
        """Write the values of keys; the last value of a key counts."""
        last = list({(each.tenant_id, each.task_id, each.key): each for each in entries}.values())
        rows = await self._read(NAMED, "set_state", columns(last, "tenant_id", "task_id", "key", "value"))
        return {(row.tenant_id, row.task_execution_id) for row in rows}

    async def clear_state(self, keys: Sequence[tuple[TaskKey, str | None]]) -> set[TaskKey]:
        """Delete single keys; None stands for all keys of a task."""
        parameters = {**_keys([task for task, _ in keys]), "key": [key for _, key in keys]}
        rows = await self._read(NAMED, "clear_state", parameters)
        return {(row.tenant_id, row.id) for row in rows}

    async def state_keys(self, tasks: Sequence[TaskKey]) -> dict[TaskKey, list[str]]:
        """Return the keys of the state of each task, sorted."""
        rows = await self._read(NAMED, "state_keys", _keys(list(set(tasks))))
        return {(row.tenant_id, row.id): row.keys for row in rows}

    async def _read(self, rows: RowFactory[Row], query: str, parameters: dict[str, list[Any]]) -> list[Row]:
        return await read(self._database, rows, _SQL[query], parameters)


def _by_sender(rows: Sequence[tuple[tuple[Any, ...], Found]]) -> dict[Sender, Found]:
    return {(tenant_id, task_id, sent_by): found for (tenant_id, task_id, sent_by), found in rows}


def _keys(tasks: Sequence[TaskKey]) -> dict[str, list[Any]]:
    return {"tenant_id": [task[0] for task in tasks], "task_id": [task[1] for task in tasks]}
