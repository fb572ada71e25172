"""Carries what tasks stream to those who watch, in whichever process they are.

Best effort: nothing is kept, a watcher who is too slow loses chunks and is told, and nothing here ever fails a task.
Every chunk goes through the database's notifications, also to watchers in its own process: so all see one order.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from uuid import UUID

from core.errors import FlovynError
from core.unit_of_work import current
from server.domain.stream import Chunk, Shown
from server.engine.streams.room import StreamRoom
from server.engine.streams.wire import Receiver, Sender

BUFFER = 256
"""Chunks that wait for one watcher; beyond, the oldest are dropped."""

MAX_UNSENT = 10_000
"""Notifications that wait for the database; beyond, chunks are dropped."""

SEND_AT_ONCE = 500
MAX_PAYLOAD_CHARACTERS = 1024 * 1024

_log = logging.getLogger(__name__)

Topic = tuple[UUID, UUID]
"""Tenant, and the task or the workflow that is watched."""


class Watch:
    """What one watcher has still to see."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._unseen: deque[Shown] = deque()
        self._lost = 0
        self._closed = False
        self.topics: set[Topic] = set()
        self._news = asyncio.Event()

    def put(self, shown: Shown) -> None:
        """Add something to see; the oldest goes when there is too much."""
        if len(self._unseen) >= BUFFER:
            self._unseen.popleft()
            self._lost += 1
        self._unseen.append(shown)
        self._news.set()

    def close(self) -> None:
        """End the watch."""
        self._closed = True
        self._news.set()

    @property
    def is_closed(self) -> bool:
        """Whether nothing more will come."""
        return self._closed

    async def wait(self, seconds: float) -> None:
        """Wait until there is something to take, at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()

    def take(self) -> tuple[list[Shown], int]:
        """Return what has come since the last time, and how much before it was lost."""
        taken, lost = list(self._unseen), self._lost
        self._unseen.clear()
        self._lost = 0
        if not self._closed:
            self._news.clear()
        return taken, lost


class Streams:
    """Watchers by topic, and the way of chunks to them."""

    def __init__(self, send: Callable[[list[str]], Awaitable[None]], room: StreamRoom) -> None:
        """Take what sends notifications, and what counts the streams of this process."""
        self._send = send
        self.room = room
        self._sender = Sender()
        self._receiver = Receiver()
        self._unsent: deque[str] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._watches: defaultdict[Topic, set[Watch]] = defaultdict(set)
        self._closing = False

    def publish(self, chunk: Chunk) -> None:
        """Send a chunk on its way, inside a unit of work when that is committed; never waits and never fails."""
        unit = current()
        if unit is not None:
            unit.after_commit(partial(self.publish, chunk))
            return
        if len(chunk.payload) > MAX_PAYLOAD_CHARACTERS or len(self._unsent) >= MAX_UNSENT:
            _log.warning("a chunk of task %s was too large, or too many chunks waited: it was dropped", chunk.task_id)
            return
        self._unsent.extend(self._sender.parts(chunk))
        if self._sending is None:
            self._sending = asyncio.create_task(self._flush())

    def received(self, notification: str) -> None:
        """Hand a chunk that has arrived to its watchers.

        Raises:
            ValueError: the notification is not of a chunk.
        """
        if not self._watches:
            return
        chunk = self._receiver.take(notification)
        if chunk is None:
            return
        shown = Shown(chunk.workflow_id, chunk.kind, chunk.payload)
        for watched in (chunk.task_id, chunk.workflow_id):
            if watched is not None:
                for watch in self._watches.get((chunk.tenant_id, watched), ()):
                    watch.put(shown)

    @asynccontextmanager
    async def watch(self, topic: Topic) -> AsyncIterator[Watch]:
        """Watch a task, or all tasks of a workflow, as long as the context lasts.

        Raises:
            LimitExceeded: too many watch already.
        """
        watch = Watch()
        with self.room.taken(topic[0]):
            self.join(topic, watch)
            if self._closing:
                watch.close()
            try:
                yield watch
            finally:
                self._leave(watch)

    def _leave(self, watch: Watch) -> None:
        for each in watch.topics:
            self._watches[each].discard(watch)
            if not self._watches[each]:
                del self._watches[each]

    def join(self, topic: Topic, watch: Watch) -> None:
        """Let a watcher see the chunks of one more task or run."""
        watch.topics.add(topic)
        self._watches[topic].add(watch)

    def end(self) -> None:
        """End every watch, now and from now on: the process is being drained."""
        self._closing = True
        for watches in self._watches.values():
            for watch in watches:
                watch.close()

    async def close(self) -> None:
        """Wait until what was published is sent."""
        if self._sending is not None:
            await asyncio.wait([self._sending])

    async def _flush(self) -> None:
        try:
            while self._unsent:
                batch = [self._unsent.popleft() for _ in range(min(len(self._unsent), SEND_AT_ONCE))]
                try:
                    await self._send(batch)
                except FlovynError as error:
                    _log.warning("%d chunks of streams were lost: %s", len(batch), error)
        finally:
            self._sending = None
