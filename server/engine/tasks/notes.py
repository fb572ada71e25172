"""Notes of running tasks: progress, heartbeats, log lines and state.

Notes are no events of a history. Concurrent calls of one kind are written as one batch.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from core.batching import Batcher
from core.errors import FlovynError, NotFound, WrongState
from core.payload import Json
from core.plugin_services import Database
from server.domain.task import TaskStatus, superseded
from server.domain.task_note import Heartbeat, LogLine, Progress, StateEntry, StateKey
from server.engine.submission.senders import Senders
from server.engine.tasks.reports import unknown_task
from server.engine.throttle import Throttle
from server.storage.task_notes import Found, Sender, TaskNoteRepository
from server.storage.tasks import TaskKey

SIGN_EVERY_S = 1.0
"""The shortest time between two signs of life of a task, in seconds, for calls other than heartbeat and progress."""

_log = logging.getLogger(__name__)

ClearedKey = tuple[TaskKey, str | None]

Note = TypeVar("Note", Progress, Heartbeat)


class TaskNotes:
    """The calls about notes. Each call is a sign of life, which renews the task's lease."""

    def __init__(self, database: Database, lease: float, senders: Senders) -> None:
        self._senders = senders
        self._signs: Throttle[Heartbeat] = Throttle(min(SIGN_EVERY_S, lease / 4))
        self._signing: set[asyncio.Task[None]] = set()
        self._storage = TaskNoteRepository(database)
        self._progress: Batcher[Progress, UUID | None] = Batcher(self._report_progress, name="task_progress")
        self._heartbeats: Batcher[Heartbeat, None] = Batcher(self._heartbeat, name="task_heartbeats")
        self._lines: Batcher[LogLine, None] = Batcher(
            self._log, weigh=lambda line: len(line.message), name="task_log_lines"
        )
        self._reads: Batcher[StateKey, Json | None] = Batcher(self._get_state, name="task_state_reads")
        self._writes: Batcher[StateEntry, None] = Batcher(
            self._set_state, weigh=lambda entry: len(entry.value), name="task_state_writes"
        )
        self._clearings: Batcher[ClearedKey, None] = Batcher(self._clear_state, name="task_state_clearings")
        self._listings: Batcher[TaskKey, list[str]] = Batcher(self._state_keys, name="task_state_listings")

    async def report_progress(self, progress: Progress) -> UUID | None:
        """Store the progress of a running task; return the id of its workflow, None for a standalone task.

        Raises:
            NotFound: the tenant has no such task.
            WrongState: the task does not run, or another worker holds it; its worker should stop.
        """
        return await self._progress.submit(self._identified(progress))

    async def heartbeat(self, heartbeat: Heartbeat) -> None:
        """Record that the worker of a running task is alive.

        Raises:
            NotFound: the tenant has no such task.
            WrongState: the task does not run, or another worker holds it. By this error, a worker learns that its task
                was cancelled.
        """
        await self._heartbeats.submit(self._identified(heartbeat))

    async def log(self, line: LogLine) -> None:
        """Append a line to a task's log.

        Raises:
            NotFound: the tenant has no such task.
        """
        await self._lines.submit(line)

    async def get_state(self, key: StateKey) -> Json | None:
        """Return the value of a key of the task's state; None if there is none.

        Raises:
            NotFound: the tenant has no such task.
        """
        return await self._reads.submit(key)

    async def set_state(self, entry: StateEntry) -> None:
        """Store an entry of the task's state, which later attempts can read.

        Raises:
            NotFound: the tenant has no such task.
        """
        await self._writes.submit(entry)

    async def clear_state(self, task: TaskKey, key: str | None = None) -> None:
        """Remove one key of the task's state; None removes all keys.

        Raises:
            NotFound: the tenant has no such task.
        """
        await self._clearings.submit((task, key))

    async def state_keys(self, task: TaskKey) -> list[str]:
        """Return the keys of the task's state, sorted.

        Raises:
            NotFound: the tenant has no such task.
        """
        return await self._listings.submit(task)

    def sign(self, heartbeat: Heartbeat) -> None:
        """Renew a task's lease in the background, at most every ``SIGN_EVERY_S``; never waits and never raises."""
        if self._signs.is_due(heartbeat):
            signing = asyncio.create_task(self._sign(heartbeat))
            self._signing.add(signing)
            signing.add_done_callback(self._signing.discard)

    async def _sign(self, heartbeat: Heartbeat) -> None:
        try:
            await self.heartbeat(heartbeat)
        except (NotFound, WrongState):
            pass  # a task that does not run has no lease
        except FlovynError as error:
            _log.warning("the sign of life of task %s was not written: %s", heartbeat.task_id, error)

    async def close(self) -> None:
        """Wait until all accepted calls are committed."""
        while self._signing:
            await asyncio.wait(self._signing)
        for batcher in (self._progress, self._heartbeats, self._lines, self._writes, self._clearings):
            await batcher.close()
        for reader in (self._reads, self._listings):
            await reader.close()

    def _identified(self, note: Note) -> Note:
        """Return the note, without its sender if connections do not identify the workers of this principal."""
        if note.sent_by is None:
            return note
        self._senders.called(note.sent_by)
        return note if self._senders.identifies((note.tenant_id, note.sent_by)) else replace(note, sent_by=None)

    async def _report_progress(self, reports: Sequence[Progress]) -> Sequence[UUID | FlovynError | None]:
        tasks = await self._storage.report_progress(reports)
        return [_refusal(tasks, each) or tasks[_sender(each)].workflow_id for each in reports]

    async def _heartbeat(self, heartbeats: Sequence[Heartbeat]) -> Sequence[FlovynError | None]:
        tasks = await self._storage.heartbeat(heartbeats)
        return [_refusal(tasks, each) for each in heartbeats]

    async def _log(self, lines: Sequence[LogLine]) -> Sequence[FlovynError | None]:
        existing = await self._storage.log(lines)
        return [_unless_exists(existing, (each.tenant_id, each.task_id)) for each in lines]

    async def _get_state(self, keys: Sequence[StateKey]) -> Sequence[Json | FlovynError | None]:
        values = await self._storage.get_state(keys)
        return [values[key] if key in values else unknown_task(key.task_id) for key in keys]

    async def _set_state(self, entries: Sequence[StateEntry]) -> Sequence[FlovynError | None]:
        existing = await self._storage.set_state(entries)
        return [_unless_exists(existing, (each.tenant_id, each.task_id)) for each in entries]

    async def _clear_state(self, keys: Sequence[ClearedKey]) -> Sequence[FlovynError | None]:
        existing = await self._storage.clear_state(keys)
        return [_unless_exists(existing, task) for task, _ in keys]

    async def _state_keys(self, tasks: Sequence[TaskKey]) -> Sequence[list[str] | FlovynError]:
        keys = await self._storage.state_keys(tasks)
        return [keys[task] if task in keys else unknown_task(task[1]) for task in tasks]


def _unless_exists(existing: Collection[TaskKey], task: TaskKey) -> FlovynError | None:
    return None if task in existing else unknown_task(task[1])


def _sender(note: Progress | Heartbeat) -> Sender:
    return (note.tenant_id, note.task_id, note.sent_by)


def _refusal(tasks: Mapping[Sender, Found], note: Progress | Heartbeat) -> FlovynError | None:
    task = tasks.get(_sender(note))
    if task is None:
        return unknown_task(note.task_id)
    if task.status == TaskStatus.RUNNING and task.is_former:
        return superseded(note.task_id)
    return None if task.was_running else WrongState(f"task {note.task_id} is {task.status}; it no longer runs")
