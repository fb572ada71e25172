"""Wakes pollers when work appears: in this process at once, in others by a notification.

Correctness never depends on a wake-up: a poller looks into the database before it waits, and asks
again when its time is over.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from core.errors import Unavailable
from core.unit_of_work import current
from server.domain.claim import UNNAMED, Claim
from server.domain.worker import Category, WorkerKey

Work = TypeVar("Work")

_log = logging.getLogger(__name__)

QueueKey = tuple[UUID, str]
"""Tenant and queue."""


class Wake(Enum):
    """Why a poller is woken that is not handed its work: there is some for it, or it shall look on behalf of its queue.

    In the second case there may be any amount of work: a poller that finds some lets two others look as well, so that
    much work soon has many takers.
    """

    WORK = auto()
    NUDGE = auto()


@dataclass(eq=False, slots=True)
class Poller:
    """A parked poller: the kinds that it takes (none means any) and the claim that it makes.

    ``waits`` tells that it has looked and found nothing; ``woken`` gets why it is woken, or the work itself.
    """

    kinds: Collection[str]
    claim: Claim
    waits: bool = False
    reserved: bool = False
    woken: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def takes(self, kind: str) -> bool:
        """Whether it may be told of work of this kind."""
        return (not self.kinds or kind in self.kinds) and not self.woken.done()

    def hand(self, work: object) -> bool:
        """Give a reserved poller its work, or a ``Wake``; return whether it is still there."""
        if self.woken.done():
            return False
        self.woken.set_result(work)
        return True


class Wakeups:
    """Pollers parked by queue, in the order in which they came."""

    def __init__(self) -> None:
        """Start with nobody parked."""
        self._parked: defaultdict[QueueKey, dict[Poller, None]] = defaultdict(dict)
        self._watchers: defaultdict[QueueKey, set[asyncio.Event]] = defaultdict(set)
        self._closing = False
        self.parked = asyncio.Event()
        """Set whenever a poller has parked: a signal for tests, which never sleep."""

    def wake(self, key: QueueKey, kind: str, why: Wake = Wake.WORK) -> bool:
        """Wake the first poller of the queue that takes work of this kind; return whether there was one."""
        for event in self._watchers.get(key, ()):
            event.set()
        for poller in self._parked.get(key, ()):
            if poller.takes(kind):
                self._wake(key, poller, why)
                return True
        return False

    def reserve(self, key: QueueKey, kind: str) -> Poller | None:
        """Take the first poller out that waits for work of this kind, to ``hand`` it some that is being written.

        Whoever reserves a poller must hand it something, the work or a ``Wake``: it waits for that, however long.
        """
        for poller in self._parked.get(key, ()):
            if poller.waits and poller.takes(kind):
                poller.reserved = True
                self._forget(key, poller)
                return poller
        return None

    def workers(self) -> set[WorkerKey]:
        """Return the workers whose polls are parked, each with its tenant."""
        return {(key[0], poller.claim.worker_id) for key, parked in self._parked.items() for poller in parked}

    def wake_all(self) -> None:
        """Wake everybody, after notifications may have been lost."""
        parked, self._parked = self._parked, defaultdict(dict)
        for pollers in parked.values():
            for poller in pollers:
                poller.hand(Wake.WORK)

    def nudge(self, key: QueueKey) -> None:
        """Let one poller of the queue look by itself, and of each choice of kinds in it."""
        asked: set[frozenset[str]] = set()
        for poller in list(self._parked.get(key, ())):
            wanted = frozenset(poller.kinds)
            if wanted not in asked and not poller.woken.done():
                asked.add(wanted)
                self._wake(key, poller, Wake.NUDGE)

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
        self,
        key: QueueKey,
        look: Callable[[], Awaitable[Work | None]],
        hold: float,
        kinds: Collection[str] = (),
        *,
        claim: Claim = UNNAMED,
        hand_back: Callable[[Any], None] | None = None,
    ) -> Work | None:
        """Return what ``look`` finds or what it is handed, waiting up to ``hold`` seconds for it; no kinds means any.

        ``look`` runs after every wake-up. A wake-up that arrives while it runs is not lost, and one that came
        to a poller which had found work by itself, or was cancelled, goes to another. ``hand_back`` gets the work
        that a poller was handed which was cancelled at the same moment.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + hold
        why: Wake | Work | None = None
        while True:
            poller = Poller(frozenset(kinds), claim)  # one search each time that work appears
            self._parked[key][poller] = None  # before looking: work that appears meanwhile must wake us
            try:
                work = await look()
                left = deadline - loop.time()
                if work is not None or left <= 0 or self._closing:
                    if work is not None and why is Wake.NUDGE:
                        self._pass_on(key, kinds, Wake.NUDGE)
                        self._pass_on(key, kinds, Wake.NUDGE)
                    elif work is not None and poller.woken.done():
                        self._pass_on(key, kinds, Wake.WORK)
                    return work
                why = await self._rest(poller, left)
            except asyncio.CancelledError:
                self._leave(key, poller, hand_back)
                raise
            finally:
                self._forget(key, poller)
            if not isinstance(why, Wake) and (why is not None or loop.time() >= deadline):
                return why

    async def _rest(self, poller: Poller, left: float) -> Any:
        """Wait to be woken, up to ``left`` seconds, or for what the poller is reserved for; None when neither came."""
        poller.waits = True
        self.parked.set()
        await asyncio.wait([poller.woken], timeout=left)
        if poller.reserved:
            await asyncio.wait([poller.woken])
        return poller.woken.result() if poller.woken.done() else None

    def _leave(self, key: QueueKey, poller: Poller, hand_back: Callable[[Any], None] | None) -> None:
        """Let others have what a poller got that was cancelled."""
        if not poller.woken.done():
            poller.woken.cancel()  # whoever has reserved it finds it gone
        elif isinstance(poller.woken.result(), Wake):
            self._pass_on(key, poller.kinds, Wake.WORK)
        elif hand_back is not None:
            hand_back(poller.woken.result())

    def _pass_on(self, key: QueueKey, kinds: Collection[str], why: Wake) -> None:
        """Wake one other poller that may take what this one was woken for, whichever kind that was."""
        for poller in self._parked.get(key, ()):
            others = poller.kinds
            if not poller.woken.done() and (not kinds or not others or set(kinds) & set(others)):
                self._wake(key, poller, why)
                return

    def _wake(self, key: QueueKey, poller: Poller, why: Wake) -> None:
        poller.hand(why)
        self._forget(key, poller)

    def _forget(self, key: QueueKey, poller: Poller) -> None:
        parked = self._parked.get(key)
        if parked is not None:
            parked.pop(poller, None)
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
                await self._send_some(payloads)
        finally:
            self._task = None

    async def _send_some(self, payloads: list[str]) -> None:
        try:
            await self._send(payloads)
        except Unavailable:
            _log.warning("other processes could not be notified of new work; their pollers find it by themselves")


def parse_announcement(payload: str) -> tuple[Category, QueueKey, str]:
    """Return the category, the queue and the kind that ``Announcer`` wrote into ``payload``.

    Raises:
        ValueError: somebody else wrote it.
    """
    match json.loads(payload):
        case [str(category), str(tenant), str(queue), str(kind)]:
            return Category(category), (UUID(tenant), queue), kind
    raise ValueError("not an announcement of work")


def nudge_payload(category: Category, key: QueueKey) -> str:
    """Return what tells other processes that work is pending in a queue, of whichever kinds."""
    return json.dumps([category, str(key[0]), key[1]])


def parse_nudge(payload: str) -> tuple[Category, QueueKey]:
    """Return the category and the queue that ``nudge_payload`` wrote into ``payload``.

    Raises:
        ValueError: somebody else wrote it.
    """
    match json.loads(payload):
        case [str(category), str(tenant), str(queue)]:
            return Category(category), (UUID(tenant), queue)
    raise ValueError("not a nudge")


class Waker:
    """Wakes the pollers of one category of work: in this process at once, else in the others."""

    def __init__(self, category: Category, wakeups: Wakeups, announcer: Announcer) -> None:
        """Take the pollers of this process and what reaches those of others."""
        self._category = category
        self._wakeups = wakeups
        self._announcer = announcer

    def __call__(self, key: QueueKey, kind: str) -> None:
        """Tell one poller that there is work of this kind in the queue; inside a unit of work, when it is committed."""
        unit = current()
        if unit is not None:
            unit.after_commit(partial(self, key, kind))
        elif not self._wakeups.wake(key, kind):
            self._announcer.announce(self._category, key, kind)
