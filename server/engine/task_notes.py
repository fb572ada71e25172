"""What a task's worker notes while the task runs: progress, heartbeats, log lines and state.

None of it is an event of a run's history. Every call may be folded with others of its kind.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from core.batching import Batcher
from core.domain.payload import Json
from core.domain.task_note import LogLine, Progress, StateEntry, StateKey
from core.errors import FlovynError, NotFound, WrongState
from core.plugin_services import Database
from server.engine.tasks import unknown_task
from server.engine.throttle import Throttle
from server.storage.task_notes import Found, TaskNoteRepository
from server.storage.tasks import TaskKey

SIGN_EVERY_S = 1.0
"""A task's signs of life other than heartbeats and progress are written at most this often."""

_log = logging.getLogger(__name__)

ClearedKey = tuple[TaskKey, str | None]


class TaskNotes:
    """The calls of a running task about itself. Each of them is a sign of life, which renews the task's lease."""

    def __init__(self, database: Database, lease: float) -> None:
        """Take the pool, and the lease of tasks in seconds."""
        self._signs: Throttle[TaskKey] = Throttle(min(SIGN_EVERY_S, lease / 4))
        self._signing: set[asyncio.Task[None]] = set()
        self._storage = TaskNoteRepository(database)
        self._progress: Batcher[Progress, UUID | None] = Batcher(self._report_progress)
        self._heartbeats: Batcher[TaskKey, None] = Batcher(self._heartbeat)
        self._lines: Batcher[LogLine, None] = Batcher(self._log, weigh=lambda line: len(line.message))
        self._reads: Batcher[StateKey, Json | None] = Batcher(self._get_state)
        self._writes: Batcher[StateEntry, None] = Batcher(self._set_state, weigh=lambda entry: len(entry.value))
        self._clearings: Batcher[ClearedKey, None] = Batcher(self._clear_state)
        self._listings: Batcher[TaskKey, list[str]] = Batcher(self._state_keys)

    async def report_progress(self, progress: Progress) -> UUID | None:
        """Keep how far a running task has come; return the run that it belongs to.

        Raises:
            NotFound: the tenant has no such task.
            WrongState: the task does not run; its worker should stop.
        """
        return await self._progress.submit(progress)

    async def heartbeat(self, task: TaskKey) -> None:
        """Note that a running task's worker is alive.

        Raises:
            NotFound: the tenant has no such task.
            WrongState: the task does not run. This is how workers learn that their task was cancelled.
        """
        await self._heartbeats.submit(task)

    async def log(self, line: LogLine) -> None:
        """Append a line to a task's log.

        Raises:
            NotFound: the tenant has no such task.
        """
        await self._lines.submit(line)
        self.sign((line.tenant_id, line.task_id))

    async def get_state(self, key: StateKey) -> Json | None:
        """Return what a task keeps under a key, or None.

        Raises:
            NotFound: the tenant has no such task.
        """
        value = await self._reads.submit(key)
        self.sign((key.tenant_id, key.task_id))
        return value

    async def set_state(self, entry: StateEntry) -> None:
        """Keep a value for a task's later attempts.

        Raises:
            NotFound: the tenant has no such task.
        """
        await self._writes.submit(entry)
        self.sign((entry.tenant_id, entry.task_id))

    async def clear_state(self, task: TaskKey, key: str | None = None) -> None:
        """Forget one key, or everything that a task keeps.

        Raises:
            NotFound: the tenant has no such task.
        """
        await self._clearings.submit((task, key))
        self.sign(task)

    async def state_keys(self, task: TaskKey) -> list[str]:
        """Return the keys under which a task keeps something, sorted.

        Raises:
            NotFound: the tenant has no such task.
        """
        found = await self._listings.submit(task)
        self.sign(task)
        return found

    def sign(self, task: TaskKey) -> None:
        """Renew a task's lease soon, at most once in a while; this never waits and never fails the caller."""
        if self._signs.is_due(task):
            signing = asyncio.create_task(self._sign(task))
            self._signing.add(signing)
            signing.add_done_callback(self._signing.discard)

    async def _sign(self, task: TaskKey) -> None:
        try:
            await self._heartbeats.submit(task)
        except (NotFound, WrongState):
            pass  # a task that does not run has no lease
        except FlovynError as error:
            _log.warning("the sign of life of task %s was not written: %s", task[1], error)

    async def close(self) -> None:
        """Wait for everything that was accepted to be committed."""
        while self._signing:
            await asyncio.wait(self._signing)
        for batcher in (self._progress, self._heartbeats, self._lines, self._writes, self._clearings):
            await batcher.close()
        for reader in (self._reads, self._listings):
            await reader.close()

    async def _report_progress(self, reports: Sequence[Progress]) -> Sequence[UUID | FlovynError | None]:
        found = await self._storage.report_progress(reports)
        running = {key: (status, was_running) for key, (status, was_running, _) in found.items()}
        keys = [(each.tenant_id, each.task_id) for each in reports]
        return [_unless_running(running, key) or found[key][2] for key in keys]

    async def _heartbeat(self, tasks: Sequence[TaskKey]) -> Sequence[FlovynError | None]:
        found = await self._storage.heartbeat(tasks)
        return [_unless_running(found, task) for task in tasks]

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


def _unless_running(found: Mapping[TaskKey, Found], task: TaskKey) -> FlovynError | None:
    if task not in found:
        return unknown_task(task[1])
    status, was_running = found[task]
    return None if was_running else WrongState(f"task {task[1]} is {status}; it does not run any more")
