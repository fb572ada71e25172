"""Group commit: concurrent calls of one kind become one statement and one commit.

A batch is what gathered while the previous one was being committed, so a call that comes alone is
not delayed. In a crowd a batch waits a moment for those who are on their way (as PostgreSQL does with ``commit_delay``
and ``commit_siblings``): every statement costs the process and the database about the same, whatever it carries.
Each caller gets its own result or its own error.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from time import monotonic, time_ns
from typing import Generic, TypeAlias, TypeVar

from core.errors import FlovynError, LimitExceeded, StartupError, Unavailable
from core.tracing import CURRENT, OpenSpan
from core.unit_of_work import current

Item = TypeVar("Item")
Result = TypeVar("Result")
_Batch: TypeAlias = list[tuple[Item, asyncio.Future[Result]]]

MAX_BATCH = 256
MAX_BATCH_BYTES = 16 * 1024 * 1024
MAX_WAITING = 10_000
MANY_CALLS = 8
"""With more calls than these waiting in the process, a batch waits for ``GATHER_S``."""
GATHER_S = 0.001
"""The commit delay in seconds; a batch of more than ``MANY_CALLS`` items does not wait."""
MAX_FLUSHES = 128
"""How often one batch may be written, whole and in parts, to find the items at fault: enough for seven of 256."""
RETURN_PAUSES_S = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Pauses between attempts to release results: long enough for a database to restart."""

_log = logging.getLogger(__name__)


class _Flush:
    """One attempt to write a batch or a part of it."""

    may_be_committed = False


_FLUSH: ContextVar[_Flush | None] = ContextVar("flush", default=None)


def note_commit() -> None:
    """Note that the current flush may have committed something; what lends connections calls this.

    A batch whose flush fails after this point is not written again: its items could be applied twice.
    """
    flush = _FLUSH.get()
    if flush is not None:
        flush.may_be_committed = True


class Returns(Generic[Result]):
    """Releases, in the background, results whose callers have gone; tries again until it succeeds."""

    def __init__(self, give: Callable[[Sequence[Result]], Awaitable[None]]) -> None:
        self._give = give
        self._tasks: set[asyncio.Task[None]] = set()

    def release(self, results: Sequence[Result]) -> None:
        """Release results soon; never waits and never fails the caller."""
        if results:
            task = asyncio.create_task(self._return(results))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait until all results are released."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _return(self, results: Sequence[Result]) -> None:
        for pause in RETURN_PAUSES_S:
            try:
                await self._give(results)
            except FlovynError as error:
                _log.warning("%d results without a caller could not be released yet: %s", len(results), error)
                await asyncio.sleep(pause)
            else:
                return
        _log.error("%d results without a caller could not be released", len(results))


class _Calls:
    """The calls of a process that wait for their batches, and the function that is told of each batch."""

    waiting = 0
    observe: Callable[[str, int, float], None] | None = None


def observe_batches(observe: Callable[[str, int, float], None]) -> None:
    """Let a function be told of each batch of the process: name, size, and the wait of its first item in seconds."""
    _Calls.observe = observe


class Batcher(Generic[Item, Result]):
    """Collects items and flushes them together.

    Args:
        flush: writes a batch, all or nothing, and returns one result per item in order; an error in place of a result
            concerns that item alone. When it raises, the batch is halved and written again, so that only the item at
            fault fails; unless the error concerns every item (``Unavailable``, ``StartupError``) or something may be
            committed already (``note_commit``): then every item gets the error. ``MAX_FLUSHES`` bounds the attempts;
            the items that are left then get ``Unavailable`` and are not written.
        undelivered: gets the results whose callers had gone when they were ready; it is tried again until it succeeds.
        weigh: returns the size of an item in bytes; a batch is bounded by count and by size.
        name: the name of the batches in metrics.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Item]], Awaitable[Sequence[Result | FlovynError]]],
        undelivered: Callable[[Sequence[Result]], Awaitable[None]] | None = None,
        weigh: Callable[[Item], int] = lambda _item: 0,
        name: str = "other",
    ) -> None:
        self._flush = flush
        self._name = name
        self._undelivered = Returns(undelivered) if undelivered is not None else None
        self._waiting: deque[tuple[Item, asyncio.Future[Result], int, float, OpenSpan | None]] = deque()
        self._weigh = weigh
        self._worker: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Result:
        """Return the item's result once its batch is committed.

        A caller that is cancelled before its batch begins is not written at all.

        Raises:
            LimitExceeded: too many calls are waiting.
        """
        if current() is not None:
            return await self._alone(item)
        if len(self._waiting) >= MAX_WAITING:
            raise LimitExceeded(f"{MAX_WAITING} calls of this kind are waiting already; slow down and try again")
        weight = self._weigh(item)  # here, so that an item that cannot be weighed fails alone
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future, weight, monotonic(), CURRENT.get()))
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        _Calls.waiting += 1
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._undeliver([future.result()])  # ready, but cancelled before the caller could take it
            raise
        finally:
            _Calls.waiting -= 1

    async def _alone(self, item: Item) -> Result:
        """Write an item inside its caller's unit of work, which cannot be shared with others."""
        results = await self._flush([item])
        if len(results) != 1:
            raise _miscounted(1, len(results))
        (result,) = results
        if isinstance(result, FlovynError):
            raise result
        return result

    async def close(self) -> None:
        """Wait until everything that was submitted is committed."""
        while self._worker is not None:
            await asyncio.wait([self._worker])
        if self._undelivered is not None:
            await self._undelivered.close()

    async def _work(self) -> None:
        try:
            while self._waiting:
                if len(self._waiting) <= MANY_CALLS < _Calls.waiting:
                    await asyncio.sleep(GATHER_S)
                spans: list[OpenSpan] = []
                batch = self._next_batch(spans)
                if batch:
                    await self._traced(batch, spans)
        finally:
            self._worker = None
            while self._waiting:  # only when cancelled: no caller may wait for ever
                self._waiting.popleft()[1].cancel()

    def _next_batch(self, spans: list[OpenSpan]) -> _Batch[Item, Result]:
        """Return the items of the next batch; add the spans of their calls to ``spans``."""
        batch: _Batch[Item, Result] = []
        size = 0
        first = self._waiting[0][3]
        while self._waiting and len(batch) < MAX_BATCH and (size < MAX_BATCH_BYTES or not batch):
            item, future, weight, waits_since, span = self._waiting.popleft()
            if not future.done():  # a caller that has gone is not written at all
                batch.append((item, future))
                size += weight
                if span is not None and span.context.sampled:
                    spans.append(_span_of_item(self._name, span, monotonic() - waits_since))
        if _Calls.observe is not None:
            _Calls.observe(self._name, len(batch), monotonic() - first)
        return batch

    async def _traced(self, batch: _Batch[Item, Result], spans: Sequence[OpenSpan]) -> None:
        """Commit a batch; each trace shows it, and the first one its statements."""
        CURRENT.set(spans[0] if spans else None)
        await self._commit(batch)
        for span in spans:
            span.attributes["flovyn.batch_size"] = len(batch)
            if span is not spans[0]:
                span.links.append(spans[0].context)
            span.end()

    async def _commit(self, batch: _Batch[Item, Result]) -> None:
        parts = [batch]
        try:
            for _ in range(MAX_FLUSHES):
                part = [each for each in parts.pop() if not each[1].done()]
                if part and not await self._answered(part):
                    middle = len(part) // 2
                    parts += [part[middle:], part[:middle]]
                if not parts:
                    return
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        for part in parts:
            _fail(part, Unavailable("this call was not written: too many calls beside it were at fault; try again"))

    async def _answered(self, part: _Batch[Item, Result]) -> bool:
        """Flush items and answer their callers; False when nothing was written and the part has to be halved."""
        flush = _Flush()
        token = _FLUSH.set(flush)
        try:
            results = await self._flush([item for item, _ in part])
        except Exception as error:  # noqa: BLE001 - handed to the callers
            concerns_all = flush.may_be_committed or isinstance(error, Unavailable | StartupError)
            if len(part) > 1 and not concerns_all:
                return False
            _fail(part, error)
            return True
        finally:
            _FLUSH.reset(token)
        if len(results) != len(part):
            _fail(part, _miscounted(len(part), len(results)))
        else:
            self._deliver(part, results)
        return True

    def _deliver(self, batch: _Batch[Item, Result], results: Sequence[Result | FlovynError]) -> None:
        late: list[Result] = []
        for (_, future), result in zip(batch, results, strict=True):
            if isinstance(result, FlovynError):
                if not future.done():
                    future.set_exception(result)
            elif future.done():
                late.append(result)
            else:
                future.set_result(result)
        self._undeliver(late)

    def _undeliver(self, results: Sequence[Result]) -> None:
        if self._undelivered is not None:
            self._undelivered.release(results)


def _fail(batch: _Batch[Item, Result], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)


def _span_of_item(name: str, above: OpenSpan, waited: float) -> OpenSpan:
    started = time_ns() - int(waited * 1e9)
    return OpenSpan(f"batch {name}", above.context.child(), above.context.span_id, "internal", started)


def _miscounted(items: int, results: int) -> RuntimeError:
    return RuntimeError(f"{items} items were flushed and {results} results came back")
