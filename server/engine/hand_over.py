"""Hands new runs to pollers that wait for them: written as the worker's own, so that nobody has to claim them.

A poller is reserved before its run is written and gets it when that is committed. One whose run was not written
looks by itself; a run whose poller has gone meanwhile becomes pending.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

from core.domain.workflow import ClaimedRun, NewRun
from core.errors import Unavailable
from server.engine.wakeups import Poller, Wake, Wakeups


class Reservations:
    """The pollers that wait for the runs of one batch."""

    def __init__(self, wakeups: Wakeups, give_back: Callable[[Sequence[ClaimedRun | NewRun]], None]) -> None:
        """Take the pollers, and what makes runs pending again."""
        self._wakeups = wakeups
        self._give_back = give_back
        self._reserved: dict[UUID, tuple[Poller, NewRun]] = {}
        self.served: set[UUID] = set()
        """The runs that need no wake-up: they were handed over, or are on their way back."""

    def assign(self, runs: Sequence[NewRun]) -> list[NewRun]:
        """Return the runs, those as their workers' own for which a poller waits: the most urgent first."""
        assigned = {run.id: self._assign(run) for run in sorted(runs, key=lambda run: -run.priority_ms)}
        return [assigned[run.id] for run in runs]

    def serve(self, claimed: Sequence[ClaimedRun]) -> None:
        """Hand committed runs to their pollers."""
        self.served.update(run.id for run in claimed)
        late = [run for run in claimed if not self._reserved.pop(run.id)[0].hand(run)]
        self._give_back(late)

    def release(self, *, unknown: bool = False) -> None:
        """Let those pollers look by themselves that were not served; ``unknown`` tells that runs may be written."""
        reserved, self._reserved = self._reserved, {}
        if unknown:
            self._give_back([run for _, run in reserved.values()])
        for poller, _ in reserved.values():
            poller.hand(Wake.WORK)

    def _assign(self, run: NewRun) -> NewRun:
        poller = self._wakeups.reserve((run.tenant_id, run.queue), run.kind)
        if poller is None:
            return run
        self._reserved[run.id] = (poller, run)
        return replace(run, worker_id=poller.worker_id)


class HandOver:
    """Reserves pollers for new runs."""

    def __init__(self, wakeups: Wakeups, give_back: Callable[[Sequence[ClaimedRun | NewRun]], None]) -> None:
        """Take the pollers, and what makes runs pending again."""
        self._wakeups = wakeups
        self._give_back = give_back

    @contextmanager
    def reserving(self) -> Iterator[Reservations]:
        """Lend reservations for one batch; who was not served when the context is left looks by itself."""
        reservations = Reservations(self._wakeups, self._give_back)
        try:
            yield reservations
        except Unavailable:
            reservations.release(unknown=True)  # the commit may have happened, its answer lost
            raise
        finally:
            reservations.release()
