"""What a task's worker notes while the task runs: progress, heartbeats, log lines and state.

None of it is an event of a workflow's history. Every call may be folded with others of its kind.
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
from server.domain.task_note import Beat, LogLine, Progress, StateEntry, StateKey
from server.engine.submission.senders import Senders
from server.engine.tasks.reports import unknown_task
from server.engine.throttle import Throttle
from server.storage.task_notes import Found, Sender, TaskNoteRepository
from server.storage.tasks import TaskKey

SIGN_EVERY_S = 1.0
"""A task's signs of life other than heartbeats and progress are written at most this often."""

_log = logging.getLogger(__name__)

ClearedKey = tuple[TaskKey, str | None]

Note = TypeVar("Note", Progress, Beat)


class TaskNotes:
    """The calls of a running task about itself. Each of them is a sign of life, which renews the task's lease."""

    def __init__(self, database: Database, lease: float, senders: Senders) -> None:
        self._senders = senders
        self._signs: Throttle[Beat] = Throttle(min(SIGN_EVERY_S, lease / 4))
        self._signing: set[asyncio.Task[None]] = set()
        self._storage = TaskNoteRepository(database)
        self._progress: Batcher[Progress, UUID | None] = Batcher(self._report_progress)
        self._heartbeats: Batcher[Beat, None] = Batcher(self._heartbeat)
        self._lines: Batcher[LogLine, None] = Batcher(self._log, weigh=lambda line: len(line.message))
        self._reads: Batcher[StateKey, Json | None] = Batcher(self._get_state)
        self._writes: Batcher[StateEntry, None] = Batcher(self._set_state, weigh=lambda entry: len(entry.value))
        self._clearings: Batcher[ClearedKey, None] = Batcher(self._clear_state)
        self._listings: Batcher[TaskKey, list[str]] = Batcher(self._state_keys)

    async def report_progress(self, progress: Progress) -> UUID | None:
        """Keep how far a running task has come; return the workflow that it belongs to.

        Raises:
            NotFound: the tenant has no such task.
            WrongState: the task does not run, or another worker has it; its worker should stop.
        """
        return await self._progress.submit(self._known(progress))

    async def heartbeat(self, beat: Beat) -> None:
        """Note that a running task's worker is alive.

        Raises:
            NotFound: the tenant has no such task.
            WrongState: the task does not run, or another worker has it. This is how workers learn that their task was
                cancelled.
        """
        await self._heartbeats.submit(self._known(beat))

    async def log(self, line: LogLine) -> None:
        """Append a line to a task's log.

        Raises:
            NotFound: the tenant has no such task.
        """
        await self._lines.submit(line)

    async def get_state(self, key: StateKey) -> Json | None:
        """Return what a task keeps under a key, or None.

        Raises:
            NotFound: the tenant has no such task.
        """
        return await self._reads.submit(key)

    async def set_state(self, entry: StateEntry) -> None:
        """Keep a value for a task's later attempts.

        Raises:
            NotFound: the tenant has no such task.
        """
        await self._writes.submit(entry)

    async def clear_state(self, task: TaskKey, key: str | None = None) -> None:
        """Forget one key, or everything that a task keeps.

        Raises:
            NotFound: the tenant has no such task.
        """
        await self._clearings.submit((task, key))

    async def state_keys(self, task: TaskKey) -> list[str]:
        """Return the keys under which a task keeps something, sorted.

        Raises:
            NotFound: the tenant has no such task.
        """
        return await self._listings.submit(task)

    def sign(self, beat: Beat) -> None:
        """Renew a task's lease soon, at most once in a while; this never waits and never fails the caller."""
        if self._signs.is_due(beat):
            signing = asyncio.create_task(self._sign(beat))
            self._signing.add(signing)
            signing.add_done_callback(self._signing.discard)

    async def _sign(self, beat: Beat) -> None:
        try:
            await self.heartbeat(beat)
        except (NotFound, WrongState):
            pass  # a task that does not run has no lease
        except FlovynError as error:
            _log.warning("the sign of life of task %s was not written: %s", beat.task_id, error)

    async def close(self) -> None:
        """Wait for everything that was accepted to be committed."""
        while self._signing:
            await asyncio.wait(self._signing)
        for batcher in (self._progress, self._heartbeats, self._lines, self._writes, self._clearings):
            await batcher.close()
        for reader in (self._reads, self._listings):
            await reader.close()

    def _known(self, note: Note) -> Note:
        """Return a note without its sender where connections tell nothing about the sender's worker."""
        if note.sent_by is None:
            return note
        self._senders.called(note.sent_by)
        return note if self._senders.tells((note.tenant_id, note.sent_by)) else replace(note, sent_by=None)

    async def _report_progress(self, reports: Sequence[Progress]) -> Sequence[UUID | FlovynError | None]:
        found = await self._storage.report_progress(reports)
        return [_refusal(found, each) or found[_sender(each)].workflow_id for each in reports]

    async def _heartbeat(self, beats: Sequence[Beat]) -> Sequence[FlovynError | None]:
        found = await self._storage.heartbeat(beats)
        return [_refusal(found, each) for each in beats]

    async def _log(self, lines: Sequence[LogLine]) -> Sequence[FlovynError | None]:
        known = await self._storage.log(lines)
        return [_unless_known(known, (each.tenant_id, each.task_id)) for each in lines]

    async def _get_state(self, keys: Sequence[StateKey]) -> Sequence[Json | FlovynError | None]:
        found = await self._storage.get_state(keys)
        return [found[key] if key in found else unknown_task(key.task_id) for key in keys]

    async def _set_state(self, entries: Sequence[StateEntry]) -> Sequence[FlovynError | None]:
        known = await self._storage.set_state(entries)
        return [_unless_known(known, (each.tenant_id, each.task_id)) for each in entries]

    async def _clear_state(self, keys: Sequence[ClearedKey]) -> Sequence[FlovynError | None]:
        known = await self._storage.clear_state(keys)
        return [_unless_known(known, task) for task, _ in keys]

    async def _state_keys(self, tasks: Sequence[TaskKey]) -> Sequence[list[str] | FlovynError]:
        found = await self._storage.state_keys(tasks)
        return [found[task] if task in found else unknown_task(task[1]) for task in tasks]


def _unless_known(known: Collection[TaskKey], task: TaskKey) -> FlovynError | None:
    return None if task in known else unknown_task(task[1])


def _sender(note: Progress | Beat) -> Sender:
    return (note.tenant_id, note.task_id, note.sent_by)


def _refusal(found: Mapping[Sender, Found], note: Progress | Beat) -> FlovynError | None:
    task = found.get(_sender(note))
    if task is None:
        return unknown_task(note.task_id)
    if task.status == TaskStatus.RUNNING and task.is_former:
        return superseded(note.task_id)
    return None if task.was_running else WrongState(f"task {note.task_id} is {task.status}; it does not run any more")
