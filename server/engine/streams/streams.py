"""Carries the chunks of tasks to subscribers in all processes.

Streaming is best effort: chunks are not stored, a subscriber that is too slow loses chunks and gets their number, and
no error of a stream fails a task. Each chunk is a notification of the database, also for subscribers in the same
process, so that all subscribers see the chunks in one order.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from uuid import UUID

from core.errors import FlovynError, LimitExceeded
from core.unit_of_work import current
from server.domain.stream import Chunk, StreamItem
from server.engine.streams.wire import Receiver, StreamSender

BUFFER = 256
"""The number of items that wait for one subscriber; beyond it, the oldest are dropped."""

MAX_UNSENT = 10_000
"""The number of notifications that wait to be sent; beyond it, new chunks are dropped."""

SEND_AT_ONCE = 500
"""The number of notifications in one statement."""

MAX_PAYLOAD_CHARACTERS = 1024 * 1024

_log = logging.getLogger(__name__)

Topic = tuple[UUID, UUID]
"""Tenant, and the task, the workflow or the agent of a subscription."""


class OpenStreams:
    """Counts the open streams of a process, over REST and gRPC together."""

    def __init__(self, per_process: int, per_tenant: int) -> None:
        self._per_process = per_process
        self._per_tenant = per_tenant
        self._open: Counter[UUID] = Counter()

    @property
    def count(self) -> int:
        """The number of open streams."""
        return self._open.total()

    def check_limits(self, tenant_id: UUID) -> None:
        """Return if one more stream may be opened.

        Raises:
            LimitExceeded: the process, or the tenant in it, has as many open streams as it may have.
        """
        if self._open.total() >= self._per_process or self._open[tenant_id] >= self._per_tenant:
            raise LimitExceeded("too many streams are open at this server; close some, or try again later")

    @contextmanager
    def counting(self, tenant_id: UUID) -> Iterator[None]:
        """Count a stream as open while the context lasts.

        Raises:
            LimitExceeded: see ``check_limits``.
        """
        self.check_limits(tenant_id)
        self._open[tenant_id] += 1
        try:
            yield
        finally:
            self._open[tenant_id] -= 1
            if not self._open[tenant_id]:
                del self._open[tenant_id]


class Subscription:
    """The items that wait for one subscriber."""

    def __init__(self) -> None:
        self._unseen: deque[StreamItem] = deque()
        self._lost = 0
        self._closed = False
        self.topics: set[Topic] = set()
        self._news = asyncio.Event()

    def put(self, item: StreamItem) -> None:
        """Add an item; the oldest one is dropped if there are more than ``BUFFER``."""
        if len(self._unseen) >= BUFFER:
            self._unseen.popleft()
            self._lost += 1
        self._unseen.append(item)
        self._news.set()

    def close(self) -> None:
        """End the subscription."""
        self._closed = True
        self._news.set()

    @property
    def is_closed(self) -> bool:
        """Whether the subscription has ended."""
        return self._closed

    async def wait(self, seconds: float) -> None:
        """Wait up to ``seconds`` for an item or for the end of the subscription."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()

    def take(self) -> tuple[list[StreamItem], int]:
        """Return the items since the last call, and the number of items that were dropped before them."""
        items, lost = list(self._unseen), self._lost
        self._unseen.clear()
        self._lost = 0
        if not self._closed:
            self._news.clear()
        return items, lost


class Streams:
    """The subscriptions of a process by topic; publishes chunks and delivers them."""

    def __init__(self, send: Callable[[list[str]], Awaitable[None]], open_streams: OpenStreams) -> None:
        self._send = send
        self.open_streams = open_streams
        self._sender = StreamSender()
        self._receiver = Receiver()
        self._unsent: deque[str] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._subscriptions: defaultdict[Topic, set[Subscription]] = defaultdict(set)
        self._closing = False

    def publish(self, chunk: Chunk) -> None:
        """Publish a chunk, inside a unit of work after its commit; never waits and never raises."""
        unit = current()
        if unit is not None:
            unit.after_commit(partial(self.publish, chunk))
            return
        if len(chunk.payload) > MAX_PAYLOAD_CHARACTERS or len(self._unsent) >= MAX_UNSENT:
            _log.warning(
                "a chunk of %s was dropped: it is too large, or too many chunks wait", chunk.task_id or chunk.agent_id
            )
            return
        self._unsent.extend(self._sender.parts(chunk))
        if self._sending is None:
            self._sending = asyncio.create_task(self._flush())

    def received(self, notification: str) -> None:
        """Deliver the chunk in a notification to its subscribers.

        Raises:
            ValueError: the notification does not carry a chunk.
        """
        if not self._subscriptions:
            return
        chunk = self._receiver.take(notification)
        if chunk is None:
            return
        item = StreamItem(chunk.workflow_id, chunk.kind, chunk.payload, chunk.agent_id, chunk.task_id)
        for topic_id in (chunk.task_id, chunk.workflow_id, chunk.agent_id):
            if topic_id is not None:
                for subscription in self._subscriptions.get((chunk.tenant_id, topic_id), ()):
                    subscription.put(item)

    @asynccontextmanager
    async def subscribe(self, topic: Topic) -> AsyncIterator[Subscription]:
        """Yield a subscription to a task, or to all tasks of a workflow; it ends with the context.

        Raises:
            LimitExceeded: too many streams are open.
        """
        subscription = Subscription()
        with self.open_streams.counting(topic[0]):
            self.join(topic, subscription)
            if self._closing:
                subscription.close()
            try:
                yield subscription
            finally:
                self._leave(subscription)

    def _leave(self, subscription: Subscription) -> None:
        for each in subscription.topics:
            self._subscriptions[each].discard(subscription)
            if not self._subscriptions[each]:
                del self._subscriptions[each]

    def join(self, topic: Topic, subscription: Subscription) -> None:
        """Add a topic, the chunks of one more task or workflow, to a subscription."""
        subscription.topics.add(topic)
        self._subscriptions[topic].add(subscription)

    def end(self) -> None:
        """End all subscriptions, now and from now on: the process is being drained."""
        self._closing = True
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.close()

    async def close(self) -> None:
        """Wait until all published chunks are sent."""
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
