"""Writes events off the path of calls: a bounded queue in memory, emptied in batches by a background service.

When the database is away, events wait; when the queue is full, further ones are dropped, counted and told of.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from core.calls import Call, Outcome
from core.errors import FlovynError, StartupError, Unavailable
from core.metrics import Metrics
from plugins.audit_log.config import AuditLogConfig
from plugins.audit_log.domain import EventDraft, Kind
from plugins.audit_log.drafts import draft_of, is_unknown
from plugins.audit_log.refusals import Refusals
from plugins.audit_log.repository import EventRepository

BATCH = 500
"""Events in one transaction."""

TOLD_EVERY_S = 60.0
"""How often the log tells of dropped events, at most."""

RETRY_S = 1.0
"""Pause before events are tried again that the database did not take."""


@dataclass(frozen=True, slots=True)
class Status:
    """Counts of events in this process by their outcome."""

    recorded: int
    dropped: int
    queued: int


class Recorder:
    """The queue and what empties it; ``run`` is the background service."""

    name = "audit-recorder"

    def __init__(
        self,
        events: EventRepository,
        config: AuditLogConfig,
        metrics: Metrics,
        logger: logging.Logger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._events = events
        self._config = config
        self._log = logger
        self._clock = clock
        self._queue: deque[tuple[Call, Outcome, Kind] | EventDraft] = deque()
        self._refusals = Refusals(config.refusal_sources, with_peer=config.record_peer, monotonic=clock)
        self._enough = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None
        self._recorded = self._dropped = self._untold = 0
        self._told_at = -TOLD_EVERY_S
        self._recorded_total = metrics.counter("recorded_total", "Events written to the audit log.")
        self._dropped_total = metrics.counter("dropped_total", "Events that were not written to the audit log.")
        self._refused_total = metrics.counter("refused_total", "Refusals of unknown callers, one by one.")
        self._queue_length = metrics.gauge("queue_length", "Events that wait to be written.")
        self._batch_seconds = metrics.histogram("batch_seconds", "Time to write a batch of events.")

    def offer(self, call: Call, outcome: Outcome, kind: Kind) -> None:
        """Queue an event, or drop it when there is no room; never waits. Refusals of unknown callers are counted."""
        if is_unknown(call, outcome):
            self._refused_total.inc()
            if not self._refusals.is_first(call, outcome):
                return
        self._put((call, outcome, kind))

    def _put(self, event: tuple[Call, Outcome, Kind] | EventDraft) -> None:
        waiting = len(self._queue)
        if waiting >= self._config.queue_size:
            self._drop(1)
            return
        self._queue.append(event)
        if waiting + 1 >= BATCH:
            self._enough.set()

    def _sum_refusals(self, *, at_once: bool = False) -> None:
        for event in self._refusals.sums(at_once=at_once):
            self._put(event)

    def status(self) -> Status:
        """Return the counts since the process started."""
        return Status(self._recorded, self._dropped, len(self._queue))

    async def run(self) -> None:
        """Write what waits, as soon as it is a batch or ``flush_interval`` is over."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._enough.wait(), self._config.flush_interval)
            self._enough.clear()
            self._sum_refusals()
            await self.flush()

    async def flush(self) -> None:
        """Write everything that waits; being cancelled does not tear a batch apart."""
        while self._queue or self._writing is not None:
            if self._writing is None:
                self._writing = asyncio.create_task(self._write_next())
            await asyncio.shield(self._writing)

    async def close(self) -> None:
        """Write what waits, for as long as ``shutdown_timeout`` allows; the rest is dropped and told of."""
        self._sum_refusals(at_once=True)
        try:
            async with asyncio.timeout(self._config.shutdown_timeout):
                await self.flush()
        except TimeoutError:
            self._log.error("the audit log took too long at shutdown; events that waited are lost")
        finally:
            writing, self._writing = self._writing, None
            if writing is not None:
                writing.cancel()
                await asyncio.wait([writing])
            lost = len(self._queue)
            self._queue.clear()
            if lost:
                self._drop(lost)

    async def _write_next(self) -> None:
        """Write one batch; its events leave the queue when what becomes of them is settled."""
        try:
            batch = [self._draft(each) for each in islice(self._queue, BATCH)]
            await self._write(batch)
            for _ in batch:
                self._queue.popleft()
            self._show()
        finally:
            self._writing = None

    def _draft(self, event: tuple[Call, Outcome, Kind] | EventDraft) -> EventDraft:
        return event if isinstance(event, EventDraft) else draft_of(*event, with_peer=self._config.record_peer)

    async def _write(self, batch: Sequence[EventDraft]) -> None:
        """Write a batch, waiting for the database; one that it refuses is halved, so that only the fault is lost."""
        away = False
        while True:
            started = time.perf_counter()
            try:
                numbers = await self._events.append(batch)
            except (Unavailable, StartupError) as error:
                if not away:
                    self._log.warning("events of the audit log wait for the database: %s", error)
                away = True
                self._show()
                await asyncio.sleep(RETRY_S)
            except Exception as error:  # noqa: BLE001 - logged whole, and counted
                await self._halve(batch, error)
                return
            else:
                self._batch_seconds.observe(time.perf_counter() - started)
                self._count(numbers)
                return

    async def _halve(self, batch: Sequence[EventDraft], error: Exception) -> None:
        if len(batch) == 1:
            self._log.error("an event of the audit log cannot be written", exc_info=error)
            self._drop(1)
            return
        middle = len(batch) // 2
        await self._write(batch[:middle])
        await self._write(batch[middle:])

    def _count(self, numbers: Sequence[int | FlovynError]) -> None:
        failed = [number for number in numbers if isinstance(number, FlovynError)]
        self._recorded += len(numbers) - len(failed)
        self._recorded_total.inc(len(numbers) - len(failed))
        if failed:
            for text in {str(error) for error in failed}:
                self._log.error("%s", text)
            self._drop(len(failed))

    def _drop(self, events: int) -> None:
        self._dropped += events
        self._untold += events
        self._dropped_total.inc(events)
        self._show()

    def _show(self) -> None:
        """Show how long the queue is, and tell of what was dropped."""
        self._queue_length.set(len(self._queue))
        now = self._clock()
        if self._untold and now - self._told_at >= TOLD_EVERY_S:
            self._log.error(
                "%d events of the audit log were dropped: %d wait for the database", self._untold, len(self._queue)
            )
            self._told_at, self._untold = now, 0
