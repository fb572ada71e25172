"""Lets workers count as alive while their polls are parked, however long a poll is held."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from server.domain.worker import WorkerKey
from server.engine.tasks.workers import Workers

Parked = Callable[[], set[WorkerKey]]
"""Returns the workers whose polls are parked in this process."""


class ParkedWorkers:
    """Writes their signs of life, all of a process together; see ``core.service.Service``."""

    name = "parked workers"

    def __init__(self, workers: Workers, parked: Sequence[Parked], silence: float) -> None:
        self._workers = workers
        self._parked = parked
        self._every = silence / 3

    async def run(self) -> None:
        """Write three times in the time after which a silent worker counts as gone, until cancelled."""
        while True:
            await asyncio.sleep(self._every)
            await self._workers.seen_all(set().union(*(parked() for parked in self._parked)))
