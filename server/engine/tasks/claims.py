"""Claims of tasks, and their release."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from uuid import UUID

from core.plugin_services import Database
from server.domain.task import ClaimedTask, NewTask, TaskSlot, TaskState
from server.domain.worker import Category
from server.engine.dispatch.claims import Claims, age_of
from server.engine.dispatch.connections import ConnectionActivity
from server.engine.dispatch.receipts import Receipt, abandoned
from server.engine.dispatch.wakeups import Waker, Wakeups
from server.storage.tasks import TaskRepository

_log = logging.getLogger(__name__)


class TaskClaims(Claims[TaskSlot, NewTask, ClaimedTask]):
    """The calls of pollers for tasks. The call times of connections show whether an answer was lost."""

    def __init__(
        self, database: Database, wakeups: Wakeups, wake_queue: Waker, longest_statement: float = 30.0
    ) -> None:
        self._storage = storage = TaskRepository(database)
        self.connections = ConnectionActivity()
        super().__init__(
            storage.claim,
            storage.release,
            wakeups,
            wake_queue,
            evidence=abandoned(self.connections),
            longest_statement=longest_statement,
            category=Category.TASK,
        )

    def wake(self, tasks: Sequence[NewTask | ClaimedTask | TaskState]) -> None:
        """Wake pollers for pending tasks; to be called after the commit."""
        for task in tasks:
            self.wake_queue((task.tenant_id, task.queue), task.kind)

    async def release_claims(self, claims: Collection[UUID], age: float = 3600.0) -> set[UUID]:
        """Release claims that are at most ``age`` seconds old; return the ids of the released ones."""
        return self._woken(await self._storage.release_claims(claims, age))

    async def _release_answers(self, receipts: Sequence[Receipt]) -> None:
        released = await self.release_claims([receipt.claim for receipt in receipts], age_of(receipts))
        if released:
            _log.warning("%d tasks were released: their workers have lost the connection and poll again", len(released))
