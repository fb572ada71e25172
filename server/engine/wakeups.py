"""Wakes pollers when work appears: in this process at once, in others by a notification.

Correctness never depends on a wake-up: a poller looks into the database before it waits, and asks
again when its time is over.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import TypeVar
from uuid import UUID

from core.domain.worker import Category

Work = TypeVar("Work")

QueueKey = tuple[UUID, str]
"""Tenant and queue."""

NUDGE_EVERY_S = 2.0
"""One parked poller of each queue looks by itself this often, in case a notification was lost."""


class Wakeups:
    """Pollers parked by queue, in the order in which they came."""

    def __init__(self) -> None:
        """Start with nobody parked."""
        self._parked: defaultdict[QueueKey, dict[asyncio.Future[bool], Collection[str]]] = defaultdict(dict)
        self._watchers: defaultdict[QueueKey, set[asyncio.Event]] = defaultdict(set)
        self._closing = False
        self.parked = asyncio.Event()
        """Set whenever a poller has parked: a signal for tests, which never sleep."""

    def wake(self, key: QueueKey, kind: str) -> bool:
        """Wake the first poller of the queue that takes work of this kind; return whether there was one."""
        for event in self._watchers.get(key, ()):
            event.set()
        for future, kinds in self._parked.get(key, {}).items():
            if (not kinds or kind in kinds) and not future.done():
                future.set_result(False)
                self._forget(key, future)
                return True
        return False

    def wake_all(self) -> None:
        """Wake everybody, after notifications may have been lost."""
        parked, self._parked = self._parked, defaultdict(dict)
        for futures in parked.values():
            for future in futures:
                if not future.done():
                    future.set_result(False)

    def nudge(self) -> None:
        """Let one poller of each queue look by itself; one that finds work lets the next one look as well."""
        for key, parked in list(self._parked.items()):
            asked: set[frozenset[str]] = set()
            for future, kinds in list(parked.items()):
                wanted = frozenset(kinds)
                if wanted not in asked and not future.done():
                    asked.add(wanted)
                    future.set_result(True)
                    self._forget(key, future)

    def close(self) -> None:
        """Answer everybody who waits, now and from now on: the process is being drained."""
        self._closing = True
        self.wake_all()
        for event in (each for watchers in self._watchers.values() for each in watchers):
            event.set()

    async def watch(self, key: QueueKey) -> AsyncIterator[None]:
        """Tell of work in a queue, once for all that appears while the last news is being taken; ends with the process.

        This is news and no more: nothing is handed out by it, and it may be lost.
        """
        event = asyncio.Event()
        self._watchers[key].add(event)
        try:
            while not self._closing:
                await event.wait()
                event.clear()
                if not self._closing:
                    yield
        finally:
            self._watchers[key].discard(event)
            if not self._watchers[key]:
                del self._watchers[key]

    async def take(
        self, key: QueueKey, look: Callable[[], Awaitable[Work | None]], hold: float, kinds: Collection[str] = ()
    ) -> Work | None:
        """Return what ``look`` finds, waiting up to ``hold`` seconds for it; no kinds means any.

        ``look`` runs after every wake-up. A wake-up that arrives while it runs is not lost, and one that came
        to a poller which had found work by itself, or was cancelled, goes to another.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + hold
        nudged = False
        while True:
            woken: asyncio.Future[bool] = loop.create_future()
            self._parked[key][woken] = kinds  # before looking: work that appears meanwhile must wake us
            try:
                work = await look()
                left = deadline - loop.time()
                if work is not None or left <= 0 or self._closing:
                    if work is not None and (nudged or woken.done()):
                        self._pass_on(key, kinds, nudge=nudged)
                    return work
                self.parked.set()
                await asyncio.wait([woken], timeout=left)
                nudged = woken.done() and woken.result()
            except asyncio.CancelledError:
                if woken.done():
                    self._pass_on(key, kinds)
                raise
            finally:
                self._forget(key, woken)
            if not woken.done() and loop.time() >= deadline:
                return None

    def _pass_on(self, key: QueueKey, kinds: Collection[str], *, nudge: bool = False) -> None:
        """Wake one other poller that may take what this one was woken for, whichever kind that was."""
        for future, others in self._parked.get(key, {}).items():
            if not future.done() and (not kinds or not others or set(kinds) & set(others)):
                future.set_result(nudge)
                self._forget(key, future)
                return

    def _forget(self, key: QueueKey, future: asyncio.Future[bool]) -> None:
        parked = self._parked.get(key)
        if parked is not None:
            parked.pop(future, None)
            if not parked:
                del self._parked[key]


class Announcer:
    """Tells other processes about queues with new work: one notification statement per batch."""

    def __init__(self, send: Callable[[list[str]], Awaitable[None]]) -> None:
        """Take what sends payloads."""
        self._send = send
        self._pending: dict[str, None] = {}
        self._task: asyncio.Task[None] | None = None

    def announce(self, category: Category, key: QueueKey, kind: str) -> None:
        """Announce new work soon; never waits and never fails the caller."""
        self._pending[json.dumps([category, str(key[0]), key[1], kind])] = None
        if self._task is None:
            self._task = asyncio.create_task(self._flush())

    async def close(self) -> None:
        """Wait until what was announced is sent."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _flush(self) -> None:
        try:
            while self._pending:
                payloads, self._pending = list(self._pending), {}
                await self._send(payloads)
        finally:
            self._task = None


def parse_announcement(payload: str) -> tuple[Category, QueueKey, str]:
    """Return the category, the queue and the kind that ``Announcer`` wrote into ``payload``.

    Raises:
        ValueError: somebody else wrote it.
    """
    match json.loads(payload):
        case [str(category), str(tenant), str(queue), str(kind)]:
            return Category(category), (UUID(tenant), queue), kind
    raise ValueError("not an announcement of work")


class Waker:
    """Wakes the pollers of one category of work: in this process at once, else in the others."""

    def __init__(self, category: Category, wakeups: Wakeups, announcer: Announcer) -> None:
        """Take the pollers of this process and what reaches those of others."""
        self._category = category
        self._wakeups = wakeups
        self._announcer = announcer

    def __call__(self, key: QueueKey, kind: str) -> None:
        """Tell one poller that there is work of this kind in the queue."""
        if not self._wakeups.wake(key, kind):
            self._announcer.announce(self._category, key, kind)
