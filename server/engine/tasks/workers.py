"""Workers: their registration and their signs of life.

A worker that registers, sends a heartbeat or polls is alive. Polls are frequent, so that a sign of life by a poll is
written at most every ``WRITE_EVERY_S``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from uuid import UUID

from core.batching import MAX_BATCH, Batcher
from core.errors import FlovynError, NotFound
from server.domain.worker import Registration, WorkerKey
from server.engine.throttle import Throttle
from server.storage.workers import WorkerRepository

WRITE_EVERY_S = 5.0
"""The shortest time between two written signs of life of a worker that polls, in seconds."""

_log = logging.getLogger(__name__)


class Workers:
    """The calls about workers. A worker without a sign of life for ``silence`` seconds counts as offline."""

    def __init__(self, storage: WorkerRepository, silence: float) -> None:
        self._storage = storage
        self._heartbeats: Batcher[WorkerKey, None] = Batcher(self._heartbeat_all, name="worker_heartbeats")
        self._polls: Throttle[WorkerKey] = Throttle(min(WRITE_EVERY_S, silence / 3))
        self._notes: set[asyncio.Task[None]] = set()

    async def register(self, registration: Registration) -> UUID:
        """Store a registration; return the worker's id, which is that of the first registration of its name.

        Raises:
            NotFound: the tenant does not exist.
        """
        return await self._storage.register(registration)

    async def heartbeat(self, worker: WorkerKey) -> None:
        """Record that a worker is alive, named by its id or its name.

        Raises:
            NotFound: no worker of the tenant has that id or name.
        """
        await self._heartbeats.submit(worker)

    def seen(self, worker: WorkerKey) -> None:
        """Record in the background that a worker has polled; never waits and never raises."""
        if not self._polls.is_due(worker):
            return
        note = asyncio.create_task(self._note(worker))
        self._notes.add(note)
        note.add_done_callback(self._notes.discard)

    async def seen_all(self, workers: Collection[WorkerKey]) -> None:
        """Record that workers are alive, without those that were recorded lately; one statement per ``MAX_BATCH``.

        Raises:
            Unavailable: the database does not answer.
        """
        due = [worker for worker in workers if self._polls.is_due(worker)]
        for start in range(0, len(due), MAX_BATCH):
            await self._storage.heartbeat(due[start : start + MAX_BATCH])

    async def close(self) -> None:
        """Wait until all accepted calls are committed."""
        while self._notes:
            await asyncio.wait(self._notes)
        await self._heartbeats.close()

    async def _note(self, worker: WorkerKey) -> None:
        try:
            await self._heartbeats.submit(worker)
        except NotFound:
            pass  # workers may poll without a registration
        except FlovynError as error:
            _log.warning("a sign of life of a worker was not written: %s", error)

    async def _heartbeat_all(self, workers: Sequence[WorkerKey]) -> Sequence[FlovynError | None]:
        registered = await self._storage.heartbeat(list(set(workers)))
        return [None if worker in registered else _unknown(worker) for worker in workers]


class ParkedWorkers:
    """Records signs of life of the workers whose polls are parked; see ``core.service.Service``.

    A poll may be held longer than a worker may be silent.
    """

    name = "parked workers"

    def __init__(self, workers: Workers, parked: Sequence[Callable[[], set[WorkerKey]]], silence: float) -> None:
        self._workers = workers
        self._parked = parked
        self._every = silence / 3

    async def run(self) -> None:
        """Write the signs of life of all parked workers three times per ``silence``, until cancelled."""
        while True:
            await asyncio.sleep(self._every)
            await self._workers.seen_all(set().union(*(parked() for parked in self._parked)))


def _unknown(worker: WorkerKey) -> NotFound:
    return NotFound(f"no worker {worker[1]!r} is registered in this tenant; register it first")
