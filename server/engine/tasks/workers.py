"""Workers: what they announce, and their signs of life.

Whoever registers, heartbeats or polls is alive. Polls come many times a second, so what they say is kept in memory
and written at most once in a while.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from uuid import UUID

from core.batching import MAX_BATCH, Batcher
from core.errors import FlovynError, NotFound
from server.domain.worker import Registration, WorkerKey
from server.engine.throttle import Throttle
from server.storage.workers import WorkerRepository

WRITE_EVERY_S = 5.0
"""A worker's polls are written down at most this often."""

_log = logging.getLogger(__name__)


class Workers:
    """The engine's calls about workers."""

    def __init__(self, storage: WorkerRepository, silence: float) -> None:
        """Take the storage, and the seconds after which a silent worker counts as gone."""
        self._storage = storage
        self._heartbeats: Batcher[WorkerKey, None] = Batcher(self._heartbeat_all)
        self._polls: Throttle[WorkerKey] = Throttle(min(WRITE_EVERY_S, silence / 3))
        self._notes: set[asyncio.Task[None]] = set()

    async def register(self, registration: Registration) -> UUID:
        """Store what a worker announced and return the id by which its name is known.

        Raises:
            NotFound: the tenant does not exist.
        """
        return await self._storage.register(registration)

    async def heartbeat(self, worker: WorkerKey) -> None:
        """Note that a worker is alive, which says who it is by its id or by its name.

        Raises:
            NotFound: no worker of the tenant has that id or name.
        """
        await self._heartbeats.submit(worker)

    def seen(self, worker: WorkerKey) -> None:
        """Note, soon, that a worker has polled; never waits and never fails the caller."""
        if not self._polls.is_due(worker):
            return
        note = asyncio.create_task(self._note(worker))
        self._notes.add(note)
        note.add_done_callback(self._notes.discard)

    async def seen_all(self, workers: Collection[WorkerKey]) -> None:
        """Note that workers are alive, those of which nothing was written lately: a bounded number in a statement.

        Raises:
            Unavailable: the database does not answer.
        """
        due = [worker for worker in workers if self._polls.is_due(worker)]
        for start in range(0, len(due), MAX_BATCH):
            await self._storage.heartbeat(due[start : start + MAX_BATCH])

    async def close(self) -> None:
        """Wait for everything that was accepted to be committed."""
        while self._notes:
            await asyncio.wait(self._notes)
        await self._heartbeats.close()

    async def _note(self, worker: WorkerKey) -> None:
        try:
            await self._heartbeats.submit(worker)
        except NotFound:
            pass  # workers may poll without having registered
        except FlovynError as error:
            _log.warning("that a worker is alive could not be noted: %s", error)

    async def _heartbeat_all(self, workers: Sequence[WorkerKey]) -> Sequence[FlovynError | None]:
        known = await self._storage.heartbeat(list(set(workers)))
        return [None if worker in known else _unknown(worker) for worker in workers]


def _unknown(worker: WorkerKey) -> NotFound:
    return NotFound(f"no worker {worker[1]!r} is registered in this tenant; register it first")
