"""Runs of workflows: hand to pollers, take back, read the history."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Sequence
from uuid import UUID

from core.batching import Batcher, Returns
from core.errors import NotFound, Unavailable
from server.domain.workflow import ClaimedRun, NewRun, PollSlot
from server.domain.workflow_event import Event
from server.engine.dispatch.direct_dispatch import DirectDispatch
from server.engine.dispatch.lost_claims import SLACK_S, LostClaims
from server.engine.dispatch.receipts import Receipt, Receipts, unread
from server.engine.dispatch.wakeups import QueueKey, Waker, Wakeups
from server.engine.submission.senders import Senders
from server.engine.workflows.history_sizes import HistorySizes
from server.storage.workflows import RunKey, WorkflowRepository

RECLAIM_BATCH = 500
PRUNE_BATCH = 200

_log = logging.getLogger(__name__)


class Workflows:
    """The engine's calls about runs; every one of them may be folded with others of its kind."""

    def __init__(self, storage: WorkflowRepository, wakeups: Wakeups, wake: Waker, longest_statement: float) -> None:
        self._storage = storage
        self._wakeups = wakeups
        self.parked = wakeups.workers
        self._wake = wake
        self._sizes = HistorySizes()
        self.senders = Senders()
        self._claims: Batcher[PollSlot, ClaimedRun | None] = Batcher(self._claim, self._release_some)
        self._releases: Returns[ClaimedRun] = Returns(self.release)
        self._lost = LostClaims(self._release_lost, longest_statement)
        self.receipts = Receipts(unread)
        self._lost_answers: Returns[Receipt] = Returns(self._release_answers)
        self.direct_dispatch: DirectDispatch[NewRun, ClaimedRun] = DirectDispatch(
            wakeups, self._releases.give_back, self._lost.look_for
        )
        self._histories: Batcher[RunKey, tuple[list[Event], str | None]] = Batcher(self._storage.histories)

    async def poll(self, slot: PollSlot, hold: float) -> ClaimedRun | None:
        """Return a run that the poller now holds; None when there was none within ``hold`` seconds."""
        worker, connection = (slot.tenant_id, slot.claim.worker_id), slot.claim.held_by
        self._lost_answers.give_back(self.receipts.polled(worker, connection))
        run = await self._wakeups.take(
            (slot.tenant_id, slot.queue),
            lambda: self._claims.submit(slot),
            hold,
            slot.kinds,
            claim=slot.claim,
            hand_back=lambda run: self._releases.give_back([run]),
        )
        if run is not None:
            self.receipts.answered((run.tenant_id, run.id), run.claim_id, worker, connection)
        return run

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
        self.receipts.read(key, reader)
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
        """Make runs pending again whose pollers never got them, unless their claims are over; if need be, later."""
        for run in runs:
            self.receipts.confirmed((run.tenant_id, run.id))
        try:
            await self._storage.release(runs)
        except Unavailable:
            self._lost.look_for_recent([run.claim_id for run in runs])
            return
        for run in runs:
            self._wake((run.tenant_id, run.queue), run.kind)

    async def close(self) -> None:
        """Wait for everything that was accepted to be committed."""
        for batcher in (self._claims, self._histories):
            await batcher.close()
        await self._releases.close()
        await self._lost_answers.close()
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

    async def _release_answers(self, receipts: Sequence[Receipt]) -> None:
        """Release runs whose answers seem lost; one that has gone on tells that this process does not see all calls."""
        age = asyncio.get_running_loop().time() - min(receipt.at for receipt in receipts) + SLACK_S
        found = await self._release_lost([receipt.claim for receipt in receipts], age, answered=True)
        for receipt in receipts:
            if receipt.claim not in found:
                self.receipts.contradicted(receipt.worker)
        if found:
            _log.warning(
                "%d workflow executions were released whose workers poll on and have not read them", len(found)
            )

    async def _release_lost(self, claims: Collection[UUID], age: float, *, answered: bool = False) -> set[UUID]:
        found = await self._storage.release_claims(claims, age, answered=answered)
        for claim in found:
            self._wake(claim.queue_key, claim.kind)
        return {claim.id for claim in found}


def unknown_run(run_id: UUID) -> NotFound:
    """Return the error of a run that the tenant does not have."""
    return NotFound(f"there is no workflow execution {run_id} in this tenant")
