"""Hands tasks to pollers, and takes those back that no poller got."""

from __future__ import annotations

from collections.abc import Sequence

from core.batching import Batcher, Returns
from core.domain.task import ClaimedTask, NewTask, TaskSlot, TaskState
from core.plugin_services import Database
from server.engine.hand_over import HandOver
from server.engine.wakeups import Waker, Wakeups
from server.storage.tasks import TaskRepository


class TaskClaims:
    """Where pollers of tasks wait, and how work comes to them."""

    def __init__(self, database: Database, wakeups: Wakeups, wake_queue: Waker) -> None:
        """Take the pool, where pollers wait for tasks, and what wakes them."""
        self._storage = TaskRepository(database)
        self._wakeups = wakeups
        self.wake_queue = wake_queue
        self._claims: Batcher[TaskSlot, ClaimedTask | None] = Batcher(self._storage.claim, self._release)
        self._returns: Returns[ClaimedTask | NewTask] = Returns(self.give_back)
        self.hand_over: HandOver[NewTask, ClaimedTask] = HandOver(wakeups, self._returns.give_back)

    async def poll(self, slot: TaskSlot, hold: float) -> ClaimedTask | None:
        """Return a task for the poller, now its own; None when there was none within ``hold`` seconds."""
        return await self._wakeups.take(
            (slot.tenant_id, slot.queue),
            lambda: self._claims.submit(slot),
            hold,
            worker_id=slot.worker_id,
            hand_back=lambda task: self._returns.give_back([task]),
        )

    def wake(self, tasks: Sequence[NewTask | ClaimedTask | TaskState]) -> None:
        """Wake pollers for tasks that became claimable; to be called when they are committed."""
        for task in tasks:
            self.wake_queue((task.tenant_id, task.queue), task.kind)

    async def give_back(self, tasks: Sequence[ClaimedTask | NewTask]) -> None:
        """Make tasks pending again that were claimed, or written, for pollers who never got them."""
        await self._storage.release(tasks)
        self.wake(tasks)

    async def close(self) -> None:
        """Wait for everything that was accepted to be committed."""
        await self._claims.close()
        await self._returns.close()

    async def _release(self, tasks: Sequence[ClaimedTask | None]) -> None:
        claimed = [task for task in tasks if task is not None]
        if claimed:
            await self.give_back(claimed)
