"""Walks a chain and says how far it is whole, or where and how it is not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from core.errors import InvalidInput
from plugins.audit_log.domain import ChainedEvent, Head, digest
from plugins.audit_log.repository import Chain, EventRepository

PAGE: Final = 500
"""Events that are looked at between two waits: a few milliseconds of computing."""


class ChainProblem(StrEnum):
    """A fault of a chain.

    MISSING: an event is not there. ALTERED: an event is not what was written. DETACHED: an event does not follow the
    one before it: it, or that one, was inserted, replaced or moved. TRUNCATED: events at the end are not there.
    OVERRUN: there are events behind the head, or before the kept part. HEAD: the head is not the last event's, lies
    before the kept part, or is gone. ANCHOR: an event is not the one that the caller remembers.
    """

    MISSING = "missing"
    ALTERED = "altered"
    DETACHED = "detached"
    TRUNCATED = "truncated"
    OVERRUN = "overrun"
    HEAD = "head"
    ANCHOR = "anchor"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a walk.

    Attributes:
        first: number of the first event that was looked at.
        verified_to: number of the last event up to which all is well.
        head: the last event when the walk began.
        problem: what is wrong; None when nothing is.
        broken_at: number of the first event that is wrong.
    """

    first: int
    verified_to: int
    head: Head
    problem: ChainProblem | None = None
    broken_at: int | None = None

    @property
    def complete(self) -> bool:
        """Whether the walk has come to the head and found nothing."""
        return self.problem is None and self.verified_to == self.head.sequence


async def verify(
    events: EventRepository, tenant_id: UUID, start: int | None, limit: int, anchor: Head | None = None
) -> Verdict:
    """Walk at most ``limit`` events of a chain, from number ``start`` or where the kept part begins.

    A walk that starts inside takes the hash before its start for granted: it continues an earlier one. ``anchor`` is
    a head that the caller has kept elsewhere.

    Raises:
        InvalidInput: the chain does not reach as far as ``start``.
    """
    chain = await events.chain(tenant_id)
    if chain is None:
        lost = await events.has_events(tenant_id)
        return Verdict(1, 0, Head(), ChainProblem.HEAD if lost else _unlike(anchor, Head()))
    walk = _Walk(events, tenant_id, chain, anchor)
    return await walk.run(start, limit)


def _unlike(anchor: Head | None, head: Head) -> ChainProblem | None:
    """Return the problem of a chain that is shorter than it was."""
    return ChainProblem.ANCHOR if anchor is not None and anchor.sequence > head.sequence else None


class _Walk:
    def __init__(self, events: EventRepository, tenant_id: UUID, chain: Chain, anchor: Head | None) -> None:
        self._events = events
        self._tenant_id = tenant_id
        self._chain = chain
        self._head = chain.head
        self._anchor = anchor
        self._first = chain.first
        self._last = Head(chain.first - 1, chain.before_first)  # the last event that is well

    async def run(self, start: int | None, limit: int) -> Verdict:
        wrong = await self._begin(start)
        if wrong is not None:
            return wrong
        end = min(self._head.sequence, self._last.sequence + limit)
        while self._last.sequence < end:
            page = await self._events.walk(self._tenant_id, self._last.sequence, end, PAGE)
            problem = self._checked(page)
            if problem is None and page:
                continue
            if not await self._was_pruned():
                return self._broken(problem or ChainProblem.TRUNCATED, self._last.sequence + 1)
        if self._last.sequence == self._head.sequence and self._last.hash != self._head.hash:
            return self._broken(ChainProblem.HEAD, self._head.sequence)
        return Verdict(self._first, self._last.sequence, self._head)

    async def _begin(self, start: int | None) -> Verdict | None:
        """Go to where the walk starts; return what is wrong with the ends of the chain."""
        end = self._head.sequence
        if _unlike(self._anchor, self._head) is not None:
            return self._broken(ChainProblem.ANCHOR, end + 1)
        if self._chain.overrun or self._chain.underrun:
            return self._broken(ChainProblem.OVERRUN, end + 1 if self._chain.overrun else None)
        if self._first > end + 1:
            return self._broken(ChainProblem.HEAD, None)
        if start is not None and start > end + 1:
            raise InvalidInput(f"start: the chain ends with event {end}")
        if start is not None and start > self._first and not await self._go_to(start):
            return self._broken(ChainProblem.MISSING, start - 1)
        return self._broken(ChainProblem.ANCHOR, self._last.sequence) if self._differs(self._last) else None

    async def _go_to(self, start: int) -> bool:
        """Begin behind the event before ``start``, believing its hash."""
        found = await self._events.walk(self._tenant_id, start - 2, start - 1, 1)
        if found:
            self._first, self._last = start, Head(start - 1, found[0].hash)
        return bool(found)

    def _checked(self, page: list[ChainedEvent]) -> ChainProblem | None:
        for event in page:
            if event.sequence != self._last.sequence + 1:
                return ChainProblem.MISSING
            if digest(event, event.sequence, event.previous_hash) != event.hash:
                return ChainProblem.ALTERED
            if event.previous_hash != self._last.hash:
                return ChainProblem.DETACHED
            place = Head(event.sequence, event.hash)
            if self._differs(place):
                return ChainProblem.ANCHOR
            self._last = place
        return None

    def _differs(self, place: Head) -> bool:
        """Whether the caller remembers another event at this place."""
        return self._anchor is not None and self._anchor.sequence == place.sequence and self._anchor != place

    async def _was_pruned(self) -> bool:
        """Whether retention has meanwhile moved the beginning past here; then go on from there."""
        chain = await self._events.chain(self._tenant_id)
        if chain is None or chain.first <= self._last.sequence + 1:
            return False
        self._first, self._last = chain.first, Head(chain.first - 1, chain.before_first)
        return True

    def _broken(self, problem: ChainProblem, at: int | None) -> Verdict:
        return Verdict(self._first, self._last.sequence, self._head, problem, at)
