"""Wake-ups of parked pollers: in this process at once, in other processes by a notification.

A poller tries to claim before it parks, unless another one is parked that accepts the same kinds: it has found nothing,
and new work would have woken it. A lost wake-up delays work and loses none: the leader nudges queues with pending work.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from itertools import islice
from time import monotonic
from typing import Any, TypeVar
from uuid import UUID

from core.errors import Unavailable
from core.unit_of_work import current
from server.domain.claim import UNNAMED, Claim
from server.domain.worker import Category, WorkerKey
from server.observability.calls import PARKED_S
from server.observability.work_meter import DispatchMeter

Work = TypeVar("Work")

POLLERS_ASKED = 8
"""The number of parked pollers that are compared with a new one; in most queues, all accept the same kinds."""

_log = logging.getLogger(__name__)

QueueKey = tuple[UUID, str]
"""Tenant and queue."""


class Wake(Enum):
    """The reason why a poller is woken that gets no work by direct dispatch."""

    WORK = auto()
    """One piece of work for the poller became pending."""
    NUDGE = auto()
    """The queue may have any amount of work. A nudged poller that claims work nudges two others: the wake-ups double
    until either all work or all pollers are gone."""


@dataclass(eq=False, slots=True)
class Poller:
    """A poller in the list of its queue.

    Attributes:
        kinds: the kinds of work that it accepts; empty means any kind.
        claim: the claim that it makes.
        is_parked: it has found no work and waits. Only a parked poller may be reserved.
        is_reserved: direct dispatch has taken it out of the list and will deliver work or a ``Wake``.
        woken: resolves to a ``Wake``, or to work.
    """

    kinds: Collection[str]
    claim: Claim
    is_parked: bool = False
    is_reserved: bool = False
    woken: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def accepts(self, kind: str) -> bool:
        """Return whether a wake-up for work of this kind may go to this poller."""
        return (not self.kinds or kind in self.kinds) and not self.woken.done()

    def accepts_all(self, kinds: Collection[str]) -> bool:
        """Return whether this poller accepts all work that a poller for ``kinds`` accepts."""
        return not self.kinds or (bool(kinds) and all(kind in self.kinds for kind in kinds))

    def deliver(self, work: object) -> bool:
        """Resolve ``woken`` to work or to a ``Wake``; return False if the poller has gone or was woken before."""
        if self.woken.done():
            return False
        self.woken.set_result(work)
        return True


class Wakeups:
    """The pollers of one category of work in one process, by queue, in the order of their arrival.

    There is no lock: all methods run in the event loop, and none awaits between reading the list and changing it.
    """

    def __init__(self, meter: DispatchMeter | None = None) -> None:
        self.meter = meter
        self._parked: defaultdict[QueueKey, dict[Poller, None]] = defaultdict(dict)
        self._watchers: defaultdict[QueueKey, set[asyncio.Event]] = defaultdict(set)
        self._closing = False
        self.parked = asyncio.Event()
        """Set whenever a poller parks; tests wait for it."""

    def wake(self, key: QueueKey, kind: str, why: Wake = Wake.WORK) -> bool:
        """Wake the first poller of the queue that accepts the kind; return whether there was one."""
        for event in self._watchers.get(key, ()):
            event.set()
        for poller in self._parked.get(key, ()):
            if poller.accepts(kind):
                self._wake(key, poller, why, "local" if why is Wake.WORK else "notification")
                return True
        return False

    def reserve(self, key: QueueKey, kind: str) -> Poller | None:
        """Remove and return the first parked poller that accepts the kind, for work that is about to be inserted.

        The caller must deliver work or a ``Wake``: a reserved poller waits for it without a time limit.
        """
        for poller in self._parked.get(key, ()):
            if poller.is_parked and poller.accepts(kind):
                poller.is_reserved = True
                self._forget(key, poller)
                return poller
        return None

    def sample(self) -> None:
        """Set the numbers of parked pollers in the metrics."""
        if self.meter is not None:
            pollers: Counter[str] = Counter()
            for (_, queue), parked in self._parked.items():
                pollers[queue] += sum(poller.is_parked for poller in parked)
            self.meter.parked(pollers)

    def workers(self) -> set[WorkerKey]:
        """Return the workers whose polls are parked, each with its tenant."""
        return {(key[0], poller.claim.worker_id) for key, parked in self._parked.items() for poller in parked}

    def wake_all(self) -> None:
        """Wake all pollers: notifications may have been lost."""
        parked, self._parked = self._parked, defaultdict(dict)
        for pollers in parked.values():
            for poller in pollers:
                poller.deliver(Wake.WORK)

    def nudge(self, key: QueueKey) -> None:
        """Nudge one poller of the queue for each set of kinds that its pollers accept."""
        nudged: set[frozenset[str]] = set()
        for poller in list(self._parked.get(key, ())):
            kinds = frozenset(poller.kinds)
            if kinds not in nudged and not poller.woken.done():
                nudged.add(kinds)
                self._wake(key, poller, Wake.NUDGE, "nudge")

    def close(self) -> None:
        """Answer all pollers at once, now and from now on: the process is being drained."""
        self._closing = True
        self.wake_all()
        for event in (each for watchers in self._watchers.values() for each in watchers):
            event.set()

    async def watch(self, key: QueueKey) -> AsyncIterator[None]:
        """Yield when work may have appeared in a queue, until the process is drained.

        Work that appears while the consumer is busy is one item. Items may be lost, and none of them claims work.
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

    async def poll(
        self,
        key: QueueKey,
        try_claim: Callable[[], Awaitable[Work | None]],
        hold: float,
        kinds: Collection[str] = (),
        *,
        claim: Claim = UNNAMED,
        release: Callable[[Any], None] | None = None,
    ) -> Work | None:
        """Return work from ``try_claim`` or from direct dispatch; None if there is none within ``hold`` seconds.

        ``try_claim`` runs at first, unless the queue is known to be empty, and after every wake-up. A wake-up that
        arrives while it runs is not lost. A wake-up of a poller that has claimed work already, or is cancelled, goes to
        another poller. ``release`` gets the work that was delivered to a poller in the moment of its cancellation. No
        ``kinds`` means any kind.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + hold
        why: Wake | Work | None = None
        while True:
            poller = Poller(frozenset(kinds), claim)
            is_empty = why is None and self._is_empty(key, poller)
            # listed before the claim: work that is committed while the claim runs must wake this poller
            self._parked[key][poller] = None
            try:
                work = None if is_empty else await try_claim()
                left = deadline - loop.time()
                if work is not None or left <= 0 or self._closing:
                    if work is not None and why is Wake.NUDGE:
                        self._pass_on(key, kinds, Wake.NUDGE)
                        self._pass_on(key, kinds, Wake.NUDGE)
                    elif work is not None and poller.woken.done():
                        self._pass_on(key, kinds, Wake.WORK)
                    return work
                why = await self._park(poller, left)
            except asyncio.CancelledError:
                self._cancelled(key, poller, release)
                raise
            finally:
                self._forget(key, poller)
            if not isinstance(why, Wake) and (why is not None or loop.time() >= deadline):
                return why

    def _is_empty(self, key: QueueKey, poller: Poller) -> bool:
        """Return whether a parked poller shows that the queue has no work for this one.

        It shows nothing while the process has no number: it has then no connection for notifications either.
        """
        if poller.claim.process is None:
            return False
        for other in islice(self._parked.get(key, ()), POLLERS_ASKED):
            if other.is_parked and not other.woken.done() and other.accepts_all(poller.kinds):
                return True
        return False

    async def _park(self, poller: Poller, left: float) -> Any:
        """Wait up to ``left`` seconds for a ``Wake`` or for work; None if neither came.

        A reserved poller waits longer: its work may be in a transaction that is about to commit.
        """
        poller.is_parked = True
        self.parked.set()
        since = monotonic()
        await asyncio.wait([poller.woken], timeout=left)
        if poller.is_reserved:
            await asyncio.wait([poller.woken])
        parked = monotonic() - since
        PARKED_S.set(PARKED_S.get() + parked)
        if self.meter is not None:
            self.meter.was_parked(parked)
        return poller.woken.result() if poller.woken.done() else None

    def _cancelled(self, key: QueueKey, poller: Poller, release: Callable[[Any], None] | None) -> None:
        """Pass on the wake-up of a cancelled poller, or release its work."""
        if not poller.woken.done():
            poller.woken.cancel()  # if direct dispatch has reserved it, ``deliver`` fails and the work is released
        elif isinstance(poller.woken.result(), Wake):
            self._pass_on(key, poller.kinds, Wake.WORK)
        elif release is not None:
            release(poller.woken.result())

    def _pass_on(self, key: QueueKey, kinds: Collection[str], why: Wake) -> None:
        """Wake one other poller of the queue whose kinds overlap with ``kinds``.

        The kind of the work is not known here: an overlap is the least that another poller must have to accept it.
        """
        for poller in self._parked.get(key, ()):
            others = poller.kinds
            if not poller.woken.done() and (not kinds or not others or set(kinds) & set(others)):
                self._wake(key, poller, why, "passed_on")
                return

    def _wake(self, key: QueueKey, poller: Poller, why: Wake, way: str) -> None:
        if self.meter is not None:
            self.meter.woken(way)
        poller.deliver(why)
        self._forget(key, poller)

    def _forget(self, key: QueueKey, poller: Poller) -> None:
        parked = self._parked.get(key)
        if parked is not None:
            parked.pop(poller, None)
            if not parked:
                del self._parked[key]


class Announcer:
    """Notifies other processes of queues with new work: one statement for all queues of a batch."""

    def __init__(self, send: Callable[[list[str]], Awaitable[None]]) -> None:
        self._send = send
        self._pending: dict[str, None] = {}
        self._task: asyncio.Task[None] | None = None

    def announce(self, category: Category, key: QueueKey, kind: str) -> None:
        """Notify other processes of new work; never waits and never raises."""
        self._pending[json.dumps([category, str(key[0]), key[1], kind])] = None
        if self._task is None:
            self._task = asyncio.create_task(self._flush())

    async def close(self) -> None:
        """Wait until all notifications are sent."""
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
    """Return the category, the queue and the kind in a payload of ``Announcer``.

    Raises:
        ValueError: the payload is not one of ``Announcer``.
    """
    match json.loads(payload):
        case [str(category), str(tenant), str(queue), str(kind)]:
            return Category(category), (UUID(tenant), queue), kind
    raise ValueError("not an announcement of work")


def nudge_payload(category: Category, key: QueueKey) -> str:
    """Return the payload of a nudge: work of any kind is pending in the queue."""
    return json.dumps([category, str(key[0]), key[1]])


def parse_nudge(payload: str) -> tuple[Category, QueueKey]:
    """Return the category and the queue in a payload of ``nudge_payload``.

    Raises:
        ValueError: the payload is not one of ``nudge_payload``.
    """
    match json.loads(payload):
        case [str(category), str(tenant), str(queue)]:
            return Category(category), (UUID(tenant), queue)
    raise ValueError("not a nudge")


class Waker:
    """Wakes pollers of one category of work: one of this process at once; if there is none, one of another process."""

    def __init__(self, category: Category, wakeups: Wakeups, announcer: Announcer) -> None:
        self._category = category
        self._wakeups = wakeups
        self._announcer = announcer

    def __call__(self, key: QueueKey, kind: str) -> None:
        """Wake one poller for work of a kind in a queue; inside a unit of work, after its commit."""
        unit = current()
        if unit is not None:
            unit.after_commit(partial(self, key, kind))
        elif not self._wakeups.wake(key, kind):
            self._announcer.announce(self._category, key, kind)
