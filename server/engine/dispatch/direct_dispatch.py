"""Direct dispatch: writes work already claimed by a parked poller, which saves the claim query.

A poller is reserved before its work is written, and gets the work after the commit. A reserved poller whose work was
not written is woken and tries to claim other work. Work whose poller has gone in the meantime is released.

The work is new, or it is a workflow that the transaction has locked and makes PENDING.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Generic, Protocol, TypeVar
from uuid import UUID, uuid4

from core.errors import Unavailable
from core.unit_of_work import current
from server.domain.agent import ClaimedAgent, NewAgent
from server.domain.claim import Claim
from server.domain.task import ClaimedTask, NewTask
from server.domain.workflow import ClaimedWorkflow, NewWorkflow
from server.engine.dispatch.wakeups import Poller, Wake, Wakeups

New = TypeVar("New", NewWorkflow, NewTask, NewAgent)
Claimed = TypeVar("Claimed", ClaimedWorkflow, ClaimedTask, ClaimedAgent)


class PendingWork(Protocol):
    """Work that a poller may get."""

    @property
    def tenant_id(self) -> UUID:
        """The tenant."""

    @property
    def id(self) -> UUID:
        """The id of the work."""

    @property
    def queue(self) -> str:
        """The queue."""

    @property
    def kind(self) -> str:
        """The kind, which the poller accepts."""


FindLater = Callable[[Iterable[UUID], float], None]
"""See ``LostClaims.find_later``."""


class Reservations(Generic[New, Claimed]):
    """The reserved pollers of one batch."""

    def __init__(self, wakeups: Wakeups, release: Callable[[Sequence[Claimed]], None], find_later: FindLater) -> None:
        self._wakeups = wakeups
        self._release: Callable[[Sequence[Claimed]], None] = release
        self._find_later = find_later
        self._since = asyncio.get_running_loop().time()
        self._reserved: dict[UUID, tuple[Poller, UUID]] = {}
        self.served: set[UUID] = set()
        """The ids of work that needs no wake-up: it was dispatched, or is being released."""

    def assign(self, work: Sequence[New]) -> list[New]:
        """Return the work in its order; items with a reserved poller have ``claim`` set.

        The items with the highest priority are the first to get pollers.
        """
        assigned = {each.id: self._assign(each) for each in sorted(work, key=lambda each: -each.priority_ms)}
        return [assigned[each.id] for each in work]

    def deliver(self, claimed: Sequence[Claimed]) -> None:
        """Deliver committed work to its pollers; release the work of pollers that have gone."""
        self.served.update(each.id for each in claimed)
        if self._wakeups.meter is not None:
            for _ in claimed:
                self._wakeups.meter.woken("direct")
        late = [each for each in claimed if not self._reserved.pop(each.id)[0].deliver(each)]
        self._release(late)

    def wake_rest(self, *, unknown: bool = False) -> None:
        """Wake the reserved pollers that got no work; ``unknown`` says that their work may have been committed."""
        reserved, self._reserved = self._reserved, {}
        if unknown:
            self._find_later([claim for _, claim in reserved.values()], self._since)
        for poller, _ in reserved.values():
            poller.deliver(Wake.WORK)

    def claim(self, work: PendingWork) -> Claim | None:
        """Reserve a poller for the work and return the claim to write; None if no parked poller accepts the work."""
        poller = self._wakeups.reserve((work.tenant_id, work.queue), work.kind)
        if poller is None:
            return None
        # the claim has a new id: if the outcome of the write is unknown, this claim is looked for, and the poller
        # makes its own claim on other work at the same time
        claim = replace(poller.claim, id=uuid4())
        self._reserved[work.id] = (poller, claim.id)
        return claim

    def _assign(self, work: New) -> New:
        claim = self.claim(work)
        return work if claim is None else replace(work, claim=claim)


class DirectDispatch(Generic[New, Claimed]):
    """Reserves parked pollers for new work of one category."""

    def __init__(self, wakeups: Wakeups, release: Callable[[Sequence[Claimed]], None], find_later: FindLater) -> None:
        self._wakeups = wakeups
        self._release: Callable[[Sequence[Claimed]], None] = release
        self._find_later = find_later

    @contextmanager
    def reserving(self) -> Iterator[Reservations[New, Claimed]]:
        """Yield the reservations of one batch. At the end of the context, reserved pollers without work are woken.

        No poller is reserved inside a unit of work: it commits later than this batch, and no worker may get
        uncommitted work.
        """
        wakeups = self._wakeups if current() is None else Wakeups()
        reservations: Reservations[New, Claimed] = Reservations(wakeups, self._release, self._find_later)
        try:
            yield reservations
        except (Unavailable, asyncio.CancelledError):
            reservations.wake_rest(unknown=True)  # the database may have committed, and its answer was lost
            raise
        finally:
            reservations.wake_rest()
