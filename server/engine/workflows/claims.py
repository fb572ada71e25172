"""Claims of workflows, their release, and the reads of histories."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import UTC, datetime
from uuid import UUID

from core.batching import Batcher
from core.errors import NotFound
from server.domain.retention import RetentionRule
from server.domain.worker import Category
from server.domain.workflow import ClaimedWorkflow, NewWorkflow, PollSlot
from server.domain.workflow_event import Event
from server.engine.dispatch.claims import Claims, age_of
from server.engine.dispatch.receipts import Receipt, unread
from server.engine.dispatch.wakeups import QueueKey, Waker, Wakeups
from server.engine.submission.senders import Senders
from server.engine.workflows.history_sizes import HistorySizes
from server.storage.workflows import WorkflowKey, WorkflowRepository

RECLAIM_BATCH = 500
"""The number of claims that one statement of the reaper ends."""

PRUNE_BATCH = 500
"""Workflows that are deleted in one transaction: a tenth of a second."""

_LONG_AGO = datetime(1, 1, 2, tzinfo=UTC)
"""The number of ended workflows that one statement deletes."""

_log = logging.getLogger(__name__)


class WorkflowClaims(Claims[PollSlot, NewWorkflow, ClaimedWorkflow]):
    """The calls of pollers for workflows. Workers read the history of what they got: an unread answer was lost."""

    def __init__(self, storage: WorkflowRepository, wakeups: Wakeups, wake: Waker, longest_statement: float) -> None:
        super().__init__(
            storage.claim,
            storage.release,
            wakeups,
            wake,
            evidence=unread,
            longest_statement=longest_statement,
            category=Category.WORKFLOW,
        )
        self._storage = storage
        self._sizes = HistorySizes()
        self.senders = Senders()
        self._histories: Batcher[WorkflowKey, tuple[list[Event], str | None]] = Batcher(
            self._storage.histories, name="histories"
        )

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
                self.wake_queue((tenant_id, queue), kind)
            count += len(workflows)
            if len(workflows) < RECLAIM_BATCH:
                return count

    async def prune(self, rules: Sequence[RetentionRule]) -> int:
        """Delete the finished workflows that the first rule that matches them no longer keeps; return their number."""
        count = 0
        for number, rule in enumerate(rules):
            if rule.seconds is not None:
                count += await self._prune(rule, rules[:number])
        return count

    async def _prune(self, rule: RetentionRule, earlier: Sequence[RetentionRule]) -> int:
        count, since = 0, _LONG_AGO
        while True:
            times = await self._storage.prune(rule, earlier, since, PRUNE_BATCH)
            count += len(times)
            if len(times) < PRUNE_BATCH:
                return count
            since = max(times)

    async def close(self) -> None:
        """Wait until all accepted calls are committed."""
        await self._histories.close()
        await super().close()

    def _kinds(self, slot: PollSlot) -> Collection[str]:
        return slot.kinds

    async def _release_answers(self, receipts: Sequence[Receipt]) -> None:
        """Release workflows whose answers seem lost.

        If a claim is over, its worker got the answer: this process does not see all calls of the worker.
        """
        claims = [receipt.claim for receipt in receipts]
        released = self._woken(await self._storage.release_claims(claims, age_of(receipts), answered=True))
        for receipt in receipts:
            if receipt.claim not in released:
                self.receipts.contradicted(receipt.worker)
        if released:
            _log.warning(
                "%d workflow executions were released: their workers poll again and have not read the history",
                len(released),
            )

    async def release_claims(self, claims: Collection[UUID], age: float) -> set[UUID]:
        """Release claims that are at most ``age`` seconds old; return the ids of the released ones."""
        return self._woken(await self._storage.release_claims(claims, age, answered=False))


def unknown_workflow(workflow_id: UUID) -> NotFound:
    """Return the error for a workflow that the tenant does not have."""
    return NotFound(f"there is no workflow execution {workflow_id} in this tenant")
