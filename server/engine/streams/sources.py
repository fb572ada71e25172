"""Knows which tasks may stream: those that run. A task that streams a lot is looked up about once a second."""

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
"""For how long a task that was found running counts as running."""

MAX_REMEMBERED: Final = 10_000
"""Running tasks; the one that was looked up longest ago makes room."""


@dataclass(frozen=True, slots=True)
class Source:
    """A task that exists: the workflow that it belongs to, and whether it runs."""

    workflow_id: UUID | None
    running: bool


class StreamSources:
    """Finds tasks that stream; concurrent look-ups are one statement."""

    def __init__(self, storage: StreamTailRepository, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Take where tasks are read."""
        self._storage = storage
        self._monotonic = monotonic
        self._lookups: Batcher[Key, Source] = Batcher(self._look_up)
        self._running: OrderedDict[Key, tuple[float, Source]] = OrderedDict()

    async def of(self, task: Key) -> Source:
        """Return the task.

        Raises:
            NotFound: the tenant has no such task.
            Unavailable: the database cannot be asked.
        """
        sent_at = self._monotonic()
        known = self._running.get(task)
        if known is not None and sent_at - known[0] < TRUST_S:
            return known[1]
        self._running.pop(task, None)
        source = await self._lookups.submit(task)
        if source.running:  # one that does not run yet may do so in a moment
            self._running[task] = (sent_at, source)
            if len(self._running) > MAX_REMEMBERED:
                self._running.popitem(last=False)
        return source

    async def close(self) -> None:
        """Wait until no look-up is under way."""
        await self._lookups.close()

    async def _look_up(self, tasks: Sequence[Key]) -> list[Source | FlovynError]:
        found = await self._storage.sources(list(dict.fromkeys(tasks)))
        return [Source(*found[task]) if task in found else unknown_task(task[1]) for task in tasks]
