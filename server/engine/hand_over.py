"""Hands new work to pollers that wait for it: written as the worker's own, so that nobody has to claim it.

A poller is reserved before its run or task is written and gets it when that is committed. One whose work was not
written looks by itself; work whose poller has gone meanwhile becomes pending.

It is for work whose ids the server makes. Tasks of workflows have their workers' ids: after a commit of unknown outcome
the same id may be written again, and giving it back late would take it from a worker that rightly has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Generic, TypeVar
from uuid import UUID

from core.domain.task import ClaimedTask, NewTask
from core.domain.workflow import ClaimedRun, NewRun
from core.errors import Unavailable
from core.unit_of_work import current
from server.engine.wakeups import Poller, Wake, Wakeups

New = TypeVar("New", NewRun, NewTask)
Claimed = TypeVar("Claimed", ClaimedRun, ClaimedTask)


class Reservations(Generic[New, Claimed]):
    """The pollers that wait for the work of one batch."""

    def __init__(self, wakeups: Wakeups, give_back: Callable[[Sequence[Claimed | New]], None]) -> None:
        """Take the pollers, and what makes work pending again."""
        self._wakeups = wakeups
        self._give_back: Callable[[Sequence[Claimed | New]], None] = give_back
        self._reserved: dict[UUID, tuple[Poller, New]] = {}
        self.served: set[UUID] = set()
        """The work that needs no wake-up: it was handed over, or is on its way back."""

    def assign(self, work: Sequence[New]) -> list[New]:
        """Return the work, that as its workers' own for which a poller waits: the most urgent first."""
        assigned = {each.id: self._assign(each) for each in sorted(work, key=lambda each: -each.priority_ms)}
        return [assigned[each.id] for each in work]

    def serve(self, claimed: Sequence[Claimed]) -> None:
        """Hand committed work to its pollers."""
        self.served.update(each.id for each in claimed)
        late = [each for each in claimed if not self._reserved.pop(each.id)[0].hand(each)]
        self._give_back(late)

    def release(self, *, unknown: bool = False) -> None:
        """Let those pollers look by themselves that were not served; ``unknown`` tells that work may be written."""
        reserved, self._reserved = self._reserved, {}
        if unknown:
            self._give_back([work for _, work in reserved.values()])
        for poller, _ in reserved.values():
            poller.hand(Wake.WORK)

    def _assign(self, work: New) -> New:
        poller = self._wakeups.reserve((work.tenant_id, work.queue), work.kind)
        if poller is None:
            return work
        self._reserved[work.id] = (poller, work)
        return replace(work, worker_id=poller.worker_id)


class HandOver(Generic[New, Claimed]):
    """Reserves pollers for new work."""

    def __init__(self, wakeups: Wakeups, give_back: Callable[[Sequence[Claimed | New]], None]) -> None:
        """Take the pollers, and what makes work pending again."""
        self._wakeups = wakeups
        self._give_back: Callable[[Sequence[Claimed | New]], None] = give_back

    @contextmanager
    def reserving(self) -> Iterator[Reservations[New, Claimed]]:
        """Lend reservations for one batch; who was not served when the context is left looks by itself.

        A unit of work is committed later than its parts, and nobody may get work before: it finds no pollers here.
        """
        wakeups = self._wakeups if current() is None else Wakeups()
        reservations: Reservations[New, Claimed] = Reservations(wakeups, self._give_back)
        try:
            yield reservations
        except Unavailable:
            reservations.release(unknown=True)  # the commit may have happened, its answer lost
            raise
        finally:
            reservations.release()
