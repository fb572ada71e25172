"""The sources of streams: running tasks. A task that streams a lot is looked up about once a second."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from core.batching import Batcher
from core.errors import FlovynError
from server.engine.tasks.reports import unknown_task
from server.storage.stream_tail import Key, StreamTailRepository

TRUST_S: Final = 1.0
"""How long a task counts as running after a look-up, in seconds."""

MAX_REMEMBERED: Final = 10_000
"""The number of running tasks that are remembered; the one with the oldest look-up is dropped first."""


@dataclass(frozen=True, slots=True)
class Source:
    """An existing task: its workflow or its agent, and whether it runs."""

    workflow_id: UUID | None
    agent_id: UUID | None
    running: bool


class StreamSources:
    """Looks tasks up; concurrent look-ups are one statement."""

    def __init__(self, storage: StreamTailRepository, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._storage = storage
        self._monotonic = monotonic
        self._lookups: Batcher[Key, Source] = Batcher(self._look_up, name="stream_sources")
        self._running: OrderedDict[Key, tuple[float, Source]] = OrderedDict()

    async def of(self, task: Key) -> Source:
        """Return the task.

        Raises:
            NotFound: the tenant has no such task.
            Unavailable: the database does not answer.
        """
        sent_at = self._monotonic()
        cached = self._running.get(task)
        if cached is not None and sent_at - cached[0] < TRUST_S:
            return cached[1]
        self._running.pop(task, None)
        source = await self._lookups.submit(task)
        if source.running:  # other tasks are not remembered: one may start to run in a moment
            self._running[task] = (sent_at, source)
            if len(self._running) > MAX_REMEMBERED:
                self._running.popitem(last=False)
        return source

    async def close(self) -> None:
        """Wait until no look-up is running."""
        await self._lookups.close()

    async def _look_up(self, tasks: Sequence[Key]) -> list[Source | FlovynError]:
        rows = await self._storage.sources(list(dict.fromkeys(tasks)))
        return [Source(*rows[task]) if task in rows else unknown_task(task[1]) for task in tasks]
