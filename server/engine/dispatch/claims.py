"""Claims of one category of work, by polls and by direct dispatch, and their release.

The categories differ in their storage and in the evidence that an answer was lost; the rest is written here once.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Generic, TypeVar
from uuid import UUID

from core.batching import Batcher, Returns
from core.errors import Unavailable
from server.domain.claim import Released
from server.domain.task import TaskSlot
from server.domain.worker import Category
from server.domain.workflow import PollSlot
from server.engine.dispatch.direct_dispatch import Claimed, DirectDispatch, New
from server.engine.dispatch.lost_claims import SLACK_S, LostClaims
from server.engine.dispatch.receipts import Evidence, Receipt, Receipts
from server.engine.dispatch.wakeups import Waker, Wakeups

Poll = TypeVar("Poll", PollSlot, TaskSlot)


class Claims(ABC, Generic[Poll, New, Claimed]):
    """The calls of pollers for one category of work. Concurrent calls are written as one batch.

    A claim is one statement without a transaction around it: it locks pending rows with SKIP LOCKED, so that a poller
    never waits for another one.

    Args:
        claim: writes the claims of some polls; None for a poll without work.
        release: releases claimed work whose claims have not ended.
        wakeups: the parked pollers.
        wake_queue: wakes a poller of a queue.
        evidence: judges whether an answer was lost.
        longest_statement: the time after which no statement of a lost connection runs, in seconds.
        category: the category of the work.
    """

    def __init__(
        self,
        claim: Callable[[Sequence[Poll]], Awaitable[list[Claimed | None]]],
        release: Callable[[Sequence[Claimed]], Awaitable[None]],
        wakeups: Wakeups,
        wake_queue: Waker,
        *,
        evidence: Evidence,
        longest_statement: float,
        category: Category,
    ) -> None:
        self._write_claims: Callable[[Sequence[Poll]], Awaitable[list[Claimed | None]]] = claim
        self._write_releases: Callable[[Sequence[Claimed]], Awaitable[None]] = release
        self._wakeups = wakeups
        self.wake_queue = wake_queue
        self._claims: Batcher[Poll, Claimed | None] = Batcher(
            self._claim, self._release_some, name=f"{category.lower()}_claims"
        )
        self._releases: Returns[Claimed] = Returns(self.release)
        self._lost = LostClaims(self.release_claims, longest_statement)
        self.receipts = Receipts(evidence)
        self._lost_answers: Returns[Receipt] = Returns(self._release_answers)
        self.direct_dispatch: DirectDispatch[New, Claimed] = DirectDispatch(
            wakeups, self._releases.release, self._lost.find_later
        )

    async def poll(self, slot: Poll, hold: float) -> Claimed | None:
        """Return work that the poller has claimed; None if there is none within ``hold`` seconds."""
        if self._wakeups.meter is not None:
            self._wakeups.meter.polled(slot.queue)
        worker, connection = (slot.tenant_id, slot.claim.worker_id), slot.claim.held_by
        self._lost_answers.release(self.receipts.polled(worker, connection))
        work = await self._wakeups.poll(
            (slot.tenant_id, slot.queue),
            lambda: self._claims.submit(slot),
            hold,
            self._kinds(slot),
            claim=slot.claim,
            release=lambda work: self._releases.release([work]),
        )
        if work is not None:
            self.receipts.answered((work.tenant_id, work.id), work.claim_id, worker, connection)
        return work

    async def release(self, work: Sequence[Claimed]) -> None:
        """Release work that did not reach its workers, unless its claims are over.

        If the database is unavailable, the work is released later.
        """
        for each in work:
            self.receipts.confirmed((each.tenant_id, each.id))
        try:
            await self._write_releases(work)
        except Unavailable:
            self._lost.release_later([each.claim_id for each in work])
            return
        for each in work:
            self.wake_queue((each.tenant_id, each.queue), each.kind)

    @abstractmethod
    async def release_claims(self, claims: Collection[UUID], age: float) -> set[UUID]:
        """Release claims that are at most ``age`` seconds old; return the ids of the released ones."""

    async def close(self) -> None:
        """Wait until all accepted calls are committed."""
        await self._claims.close()
        await self._releases.close()
        await self._lost_answers.close()
        await self._lost.close()

    def _kinds(self, _slot: Poll) -> Collection[str]:
        """Return the kinds that a poll takes; none means any kind."""
        return ()

    @abstractmethod
    async def _release_answers(self, receipts: Sequence[Receipt]) -> None:
        """Release work whose answers seem lost."""

    def _woken(self, released: Sequence[Released]) -> set[UUID]:
        """Wake pollers for the released claims; return their ids."""
        for claim in released:
            self.wake_queue(claim.queue_key, claim.kind)
        return {claim.id for claim in released}

    async def _claim(self, slots: Sequence[Poll]) -> Sequence[Claimed | None]:
        since = asyncio.get_running_loop().time()
        try:
            return await self._write_claims(slots)
        except BaseException:  # also a cancellation: the database may have written the claims
            self._lost.find_later([slot.claim.id for slot in slots], since)
            raise

    async def _release_some(self, work: Sequence[Claimed | None]) -> None:
        claimed = [each for each in work if each is not None]
        if claimed:
            await self.release(claimed)


def age_of(receipts: Sequence[Receipt]) -> float:
    """Return the greatest age of the claims of some answers, in seconds."""
    return asyncio.get_running_loop().time() - min(receipt.at for receipt in receipts) + SLACK_S
