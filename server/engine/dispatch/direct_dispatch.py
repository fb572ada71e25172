"""Direct dispatch: inserts new work already claimed by a parked poller, which saves the claim query.

A poller is reserved before its work is inserted, and gets it when that is committed. A poller whose work was not
inserted looks for work by itself. Work whose poller has gone meanwhile is released.

It is for work whose ids the server makes. Tasks of workflows have ids that their workers make.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Generic, TypeVar
from uuid import UUID, uuid4

from core.errors import Unavailable
from core.unit_of_work import current
from server.domain.task import ClaimedTask, NewTask
from server.domain.workflow import ClaimedWorkflow, NewWorkflow
from server.engine.dispatch.wakeups import Poller, Wake, Wakeups

New = TypeVar("New", NewWorkflow, NewTask)
Claimed = TypeVar("Claimed", ClaimedWorkflow, ClaimedTask)

LookFor = Callable[[Iterable[UUID], float], None]
"""``LostClaims.look_for``."""


class Reservations(Generic[New, Claimed]):
    """The pollers that wait for the work of one batch."""

    def __init__(self, wakeups: Wakeups, release: Callable[[Sequence[Claimed]], None], look_for: LookFor) -> None:
        self._wakeups = wakeups
        self._release: Callable[[Sequence[Claimed]], None] = release
        self._look_for = look_for
        self._since = asyncio.get_running_loop().time()
        self._reserved: dict[UUID, tuple[Poller, UUID]] = {}
        self.served: set[UUID] = set()
        """The work that needs no wake-up: it was dispatched, or is being released."""

    def assign(self, work: Sequence[New]) -> list[New]:
        """Return the work; items with a reserved poller have their claim. The most urgent items come first."""
        assigned = {each.id: self._assign(each) for each in sorted(work, key=lambda each: -each.priority_ms)}
        return [assigned[each.id] for each in work]

    def serve(self, claimed: Sequence[Claimed]) -> None:
        """Hand committed work to its pollers."""
        self.served.update(each.id for each in claimed)
        late = [each for each in claimed if not self._reserved.pop(each.id)[0].hand(each)]
        self._release(late)

    def let_go(self, *, unknown: bool = False) -> None:
        """Let those pollers look by themselves that were not served; ``unknown`` means that work may be committed."""
        reserved, self._reserved = self._reserved, {}
        if unknown:
            self._look_for([claim for _, claim in reserved.values()], self._since)
        for poller, _ in reserved.values():
            poller.hand(Wake.WORK)

    def _assign(self, work: New) -> New:
        poller = self._wakeups.reserve((work.tenant_id, work.queue), work.kind)
        if poller is None:
            return work
        # an id of its own: should the outcome be unknown, the poller goes on and claims other work
        claim = replace(poller.claim, id=uuid4())
        self._reserved[work.id] = (poller, claim.id)
        return replace(work, claim=claim)


class DirectDispatch(Generic[New, Claimed]):
    """Reserves pollers for new work."""

    def __init__(self, wakeups: Wakeups, release: Callable[[Sequence[Claimed]], None], look_for: LookFor) -> None:
        self._wakeups = wakeups
        self._release: Callable[[Sequence[Claimed]], None] = release
        self._look_for = look_for

    @contextmanager
    def reserving(self) -> Iterator[Reservations[New, Claimed]]:
        """Lend reservations for one batch; pollers that were not served when the context ends look by themselves.

        A unit of work is committed later than its parts, and nobody may get work before: it finds no pollers here.
        """
        wakeups = self._wakeups if current() is None else Wakeups()
        reservations: Reservations[New, Claimed] = Reservations(wakeups, self._release, self._look_for)
        try:
            yield reservations
        except (Unavailable, asyncio.CancelledError):
            reservations.let_go(unknown=True)  # the commit may have happened, its answer lost
            raise
        finally:
            reservations.let_go()
