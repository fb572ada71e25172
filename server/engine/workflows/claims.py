"""Claims of workflows: by polls and by direct dispatch; their release; and the reads of histories."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Sequence
from uuid import UUID

from core.batching import Batcher, Returns
from core.errors import NotFound, Unavailable
from server.domain.workflow import ClaimedWorkflow, NewWorkflow, PollSlot
from server.domain.workflow_event import Event
from server.engine.dispatch.direct_dispatch import DirectDispatch
from server.engine.dispatch.lost_claims import SLACK_S, LostClaims
from server.engine.dispatch.receipts import Receipt, Receipts, unread
from server.engine.dispatch.wakeups import QueueKey, Waker, Wakeups
from server.engine.submission.senders import Senders
from server.engine.workflows.history_sizes import HistorySizes
from server.storage.workflows import WorkflowKey, WorkflowRepository

RECLAIM_BATCH = 500
"""The number of claims that one statement of the reaper ends."""

PRUNE_BATCH = 200
"""The number of ended workflows that one statement deletes."""

_log = logging.getLogger(__name__)


class WorkflowClaims:
    """The calls of pollers for workflows. Concurrent calls of one kind are written as one batch.

    A claim is one statement without a transaction around it: it locks pending rows with SKIP LOCKED, so that a poller
    never waits for another one.
    """

    def __init__(self, storage: WorkflowRepository, wakeups: Wakeups, wake: Waker, longest_statement: float) -> None:
        self._storage = storage
        self._wakeups = wakeups
        self._wake = wake
        self._sizes = HistorySizes()
        self.senders = Senders()
        self._claims: Batcher[PollSlot, ClaimedWorkflow | None] = Batcher(self._claim, self._release_some)
        self._releases: Returns[ClaimedWorkflow] = Returns(self.release)
        self._lost = LostClaims(self._release_lost, longest_statement)
        self.receipts = Receipts(unread)
        self._lost_answers: Returns[Receipt] = Returns(self._release_answers)
        self.direct_dispatch: DirectDispatch[NewWorkflow, ClaimedWorkflow] = DirectDispatch(
            wakeups, self._releases.release, self._lost.find_later
        )
        self._histories: Batcher[WorkflowKey, tuple[list[Event], str | None]] = Batcher(self._storage.histories)

    async def poll(self, slot: PollSlot, hold: float) -> ClaimedWorkflow | None:
        """Return a workflow that the poller has claimed; None if there is none within ``hold`` seconds."""
        worker, connection = (slot.tenant_id, slot.claim.worker_id), slot.claim.held_by
        self._lost_answers.release(self.receipts.polled(worker, connection))
        workflow = await self._wakeups.poll(
            (slot.tenant_id, slot.queue),
            lambda: self._claims.submit(slot),
            hold,
            slot.kinds,
            claim=slot.claim,
            release=lambda workflow: self._releases.release([workflow]),
        )
        if workflow is not None:
            self.receipts.answered((workflow.tenant_id, workflow.id), workflow.claim_id, worker, connection)
        return workflow

    def watch(self, key: QueueKey) -> AsyncIterator[None]:
        """Yield when work may have appeared in a queue; see ``Wakeups.watch``."""
        return self._wakeups.watch(key)

    async def history(self, key: WorkflowKey, reader: str | None = None) -> list[Event]:
        """Return the whole history of a workflow, ascending; ``reader`` is the caller as a holder.

        Raises:
            NotFound: the tenant has no such workflow.
        """
        try:
            events, claim = await self._histories.submit(key)
        except BaseException:
            self.senders.failed_to_read(key, reader)
            raise
        if not events:
            raise unknown_workflow(key[1])
        self.senders.read(key, reader, claim)
        self.receipts.read(key, reader)
        self._sizes.check(key, events)
        return events

    async def reclaim(self, lease: float, silence: float) -> int:
        """Release workflows whose claims are older than ``lease`` seconds; return their number.

        If the worker has given no sign of life, ``silence`` seconds are enough.
        """
        count = 0
        while True:
            workflows = await self._storage.reclaim(lease, silence, RECLAIM_BATCH)
            for tenant_id, queue, kind in workflows:
                self._wake((tenant_id, queue), kind)
            count += len(workflows)
            if len(workflows) < RECLAIM_BATCH:
                return count

    async def prune(self, age: float) -> int:
        """Delete the workflows that ended more than ``age`` seconds ago; return their number."""
        count = 0
        while True:
            pruned = await self._storage.prune(age, PRUNE_BATCH)
            count += pruned
            if pruned < PRUNE_BATCH:
                return count

    async def release(self, workflows: Sequence[ClaimedWorkflow]) -> None:
        """Release workflows that did not reach their workers, unless their claims are over.

        If the database is unavailable, the workflows are released later.
        """
        for workflow in workflows:
            self.receipts.confirmed((workflow.tenant_id, workflow.id))
        try:
            await self._storage.release(workflows)
        except Unavailable:
            self._lost.release_later([workflow.claim_id for workflow in workflows])
            return
        for workflow in workflows:
            self._wake((workflow.tenant_id, workflow.queue), workflow.kind)

    async def close(self) -> None:
        """Wait until all accepted calls are committed."""
        for batcher in (self._claims, self._histories):
            await batcher.close()
        await self._releases.close()
        await self._lost_answers.close()
        await self._lost.close()

    async def _claim(self, slots: Sequence[PollSlot]) -> Sequence[ClaimedWorkflow | None]:
        since = asyncio.get_running_loop().time()
        try:
            return await self._storage.claim(slots)
        except BaseException:  # also a cancellation: the database may have written the claims
            self._lost.find_later([slot.claim.id for slot in slots], since)
            raise

    async def _release_some(self, workflows: Sequence[ClaimedWorkflow | None]) -> None:
        claimed = [workflow for workflow in workflows if workflow is not None]
        if claimed:
            await self.release(claimed)

    async def _release_answers(self, receipts: Sequence[Receipt]) -> None:
        """Release workflows whose answers seem lost.

        If a claim is over, its worker got the answer: this process does not see all calls of the worker.
        """
        age = asyncio.get_running_loop().time() - min(receipt.at for receipt in receipts) + SLACK_S
        released = await self._release_lost([receipt.claim for receipt in receipts], age, answered=True)
        for receipt in receipts:
            if receipt.claim not in released:
                self.receipts.contradicted(receipt.worker)
        if released:
            _log.warning(
                "%d workflow executions were released: their workers poll again and have not read the history",
                len(released),
            )

    async def _release_lost(self, claims: Collection[UUID], age: float, *, answered: bool = False) -> set[UUID]:
        released = await self._storage.release_claims(claims, age, answered=answered)
        for claim in released:
            self._wake(claim.queue_key, claim.kind)
        return {claim.id for claim in released}


def unknown_workflow(workflow_id: UUID) -> NotFound:
    """Return the error for a workflow that the tenant does not have."""
    return NotFound(f"there is no workflow execution {workflow_id} in this tenant")
