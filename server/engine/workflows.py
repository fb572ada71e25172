"""Runs of workflows: hand to pollers, take back, read the history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from uuid import UUID

from core.batching import Batcher, Returns
from core.domain.workflow import ClaimedRun, NewRun, PollSlot
from core.domain.workflow_event import Event
from core.errors import NotFound
from server.engine.direct_dispatch import DirectDispatch
from server.engine.history_sizes import HistorySizes
from server.engine.lost_claims import LostClaims
from server.engine.senders import Senders
from server.engine.wakeups import QueueKey, Waker, Wakeups
from server.storage.workflows import RunKey, WorkflowRepository

RECLAIM_BATCH = 500
PRUNE_BATCH = 200


class Workflows:
    """The engine's calls about runs; every one of them may be folded with others of its kind."""

    def __init__(self, storage: WorkflowRepository, wakeups: Wakeups, wake: Waker, longest_statement: float) -> None:
        self._storage = storage
        self._wakeups = wakeups
        self._wake = wake
        self._sizes = HistorySizes()
        self.senders = Senders()
        self._claims: Batcher[PollSlot, ClaimedRun | None] = Batcher(self._claim, self._release_some)
        self._releases: Returns[ClaimedRun] = Returns(self.release)
        self._lost = LostClaims(self._release_lost, longest_statement)
        self.direct_dispatch: DirectDispatch[NewRun, ClaimedRun] = DirectDispatch(
            wakeups, self._releases.give_back, self._lost.look_for
        )
        self._histories: Batcher[RunKey, tuple[list[Event], UUID | None]] = Batcher(self._storage.histories)

    async def poll(self, slot: PollSlot, hold: float) -> ClaimedRun | None:
        """Return a run that the poller now holds; None when there was none within ``hold`` seconds."""
        key = (slot.tenant_id, slot.queue)
        return await self._wakeups.take(
            key,
            lambda: self._claims.submit(slot),
            hold,
            slot.kinds,
            claim=slot.claim,
            hand_back=lambda run: self._releases.give_back([run]),
        )

    def watch(self, key: QueueKey) -> AsyncIterator[None]:
        """Tell whenever there may be new work in a queue; see ``Wakeups.watch``."""
        return self._wakeups.watch(key)

    async def history(self, key: RunKey, reader: str | None = None) -> list[Event]:
        """Return the whole history of a run, ascending; ``reader`` is the caller as a holder.

        Raises:
            NotFound: the tenant has no such run.
        """
        events, claim = await self._histories.submit(key)
        if not events:
            raise unknown_run(key[1])
        self.senders.read(key, reader, claim)
        self._sizes.look(key, events)
        return events

    async def reclaim(self, lease: float, silence: float) -> int:
        """Make runs pending again that were claimed more than ``lease`` seconds ago; return how many.

        A run whose worker shows no life is taken back after ``silence`` seconds.
        """
        count = 0
        while True:
            runs = await self._storage.reclaim(lease, silence, RECLAIM_BATCH)
            for tenant_id, queue, kind in runs:
                self._wake((tenant_id, queue), kind)
            count += len(runs)
            if len(runs) < RECLAIM_BATCH:
                return count

    async def prune(self, age: float) -> int:
        """Delete runs that ended more than ``age`` seconds ago, in bounded batches; return how many."""
        count = 0
        while True:
            pruned = await self._storage.prune(age, PRUNE_BATCH)
            count += pruned
            if pruned < PRUNE_BATCH:
                return count

    async def release(self, runs: Sequence[ClaimedRun]) -> None:
        """Make runs pending again whose pollers never got them, unless their claims are over."""
        await self._storage.release(runs)
        for run in runs:
            self._wake((run.tenant_id, run.queue), run.kind)

    async def close(self) -> None:
        """Wait for everything that was accepted to be committed."""
        for batcher in (self._claims, self._histories):
            await batcher.close()
        await self._releases.close()
        await self._lost.close()

    async def _claim(self, slots: Sequence[PollSlot]) -> Sequence[ClaimedRun | None]:
        since = asyncio.get_running_loop().time()
        try:
            return await self._storage.claim(slots)
        except BaseException:
            self._lost.look_for([slot.claim.id for slot in slots], since)
            raise

    async def _release_some(self, runs: Sequence[ClaimedRun | None]) -> None:
        claimed = [run for run in runs if run is not None]
        if claimed:
            await self.release(claimed)

    async def _release_lost(self, claims: Collection[UUID], age: float) -> set[UUID]:
        found = await self._storage.release_claims(claims, age)
        for claim in found:
            self._wake(claim.queue_key, claim.kind)
        return {claim.id for claim in found}


def unknown_run(run_id: UUID) -> NotFound:
    """Return the error of a run that the tenant does not have."""
    return NotFound(f"there is no workflow execution {run_id} in this tenant")
