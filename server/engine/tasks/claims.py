"""Claims of tasks: by polls and by direct dispatch; and their release."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from uuid import UUID

from core.batching import Batcher, Returns
from core.errors import Unavailable
from core.plugin_services import Database
from server.domain.task import ClaimedTask, NewTask, TaskSlot, TaskState
from server.engine.dispatch.connections import ConnectionActivity
from server.engine.dispatch.direct_dispatch import DirectDispatch
from server.engine.dispatch.lost_claims import SLACK_S, LostClaims
from server.engine.dispatch.receipts import Receipt, Receipts, abandoned
from server.engine.dispatch.wakeups import Waker, Wakeups
from server.storage.tasks import TaskRepository

_log = logging.getLogger(__name__)


class TaskClaims:
    """The calls of pollers for tasks.

    A claim is one statement without a transaction around it: it locks pending rows with SKIP LOCKED, so that a poller
    never waits for another one.
    """

    def __init__(
        self, database: Database, wakeups: Wakeups, wake_queue: Waker, longest_statement: float = 30.0
    ) -> None:
        self._storage = TaskRepository(database)
        self._wakeups = wakeups
        self.wake_queue = wake_queue
        self._claims: Batcher[TaskSlot, ClaimedTask | None] = Batcher(self._claim, self._release_some)
        self._releases: Returns[ClaimedTask] = Returns(self.release)
        self.connections = ConnectionActivity()
        self.receipts = Receipts(abandoned(self.connections))
        self._lost_answers: Returns[Receipt] = Returns(self._release_answers)
        self._lost = LostClaims(self.release_claims, longest_statement)
        self.direct_dispatch: DirectDispatch[NewTask, ClaimedTask] = DirectDispatch(
            wakeups, self._releases.release, self._lost.find_later
        )

    async def poll(self, slot: TaskSlot, hold: float) -> ClaimedTask | None:
        """Return a task that the poller has claimed; None if there is none within ``hold`` seconds."""
        worker, connection = (slot.tenant_id, slot.claim.worker_id), slot.claim.held_by
        self._lost_answers.release(self.receipts.polled(worker, connection))
        task = await self._wakeups.poll(
            (slot.tenant_id, slot.queue),
            lambda: self._claims.submit(slot),
            hold,
            claim=slot.claim,
            release=lambda task: self._releases.release([task]),
        )
        if task is not None:
            self.receipts.answered((task.tenant_id, task.id), task.claim_id, worker, connection)
        return task

    def wake(self, tasks: Sequence[NewTask | ClaimedTask | TaskState]) -> None:
        """Wake pollers for pending tasks; to be called after the commit."""
        for task in tasks:
            self.wake_queue((task.tenant_id, task.queue), task.kind)

    async def release(self, tasks: Sequence[ClaimedTask]) -> None:
        """Release tasks that did not reach their workers, unless their claims are over.

        If the database is unavailable, the tasks are released later.
        """
        for task in tasks:
            self.receipts.confirmed((task.tenant_id, task.id))
        try:
            await self._storage.release(tasks)
        except Unavailable:
            self._lost.release_later([task.claim_id for task in tasks])
            return
        self.wake(tasks)

    async def close(self) -> None:
        """Wait until all accepted calls are committed."""
        await self._claims.close()
        await self._releases.close()
        await self._lost_answers.close()
        await self._lost.close()

    async def _release_answers(self, receipts: Sequence[Receipt]) -> None:
        age = asyncio.get_running_loop().time() - min(receipt.at for receipt in receipts) + SLACK_S
        released = await self.release_claims([receipt.claim for receipt in receipts], age)
        if released:
            _log.warning("%d tasks were released: their workers have lost the connection and poll again", len(released))

    async def _claim(self, slots: Sequence[TaskSlot]) -> Sequence[ClaimedTask | None]:
        since = asyncio.get_running_loop().time()
        try:
            return await self._storage.claim(slots)
        except BaseException:  # also a cancellation: the database may have written the claims
            self._lost.find_later([slot.claim.id for slot in slots], since)
            raise

    async def _release_some(self, tasks: Sequence[ClaimedTask | None]) -> None:
        claimed = [task for task in tasks if task is not None]
        if claimed:
            await self.release(claimed)

    async def release_claims(self, claims: Collection[UUID], age: float = 3600.0) -> set[UUID]:
        """Release claims that are at most ``age`` seconds old; return the ids of the released ones."""
        released = await self._storage.release_claims(claims, age)
        for claim in released:
            self.wake_queue(claim.queue_key, claim.kind)
        return {claim.id for claim in released}
