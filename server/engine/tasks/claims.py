"""Claims of tasks, and their release."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from core.plugin_services import Database
from server.domain.task import ClaimedTask, NewTask, TaskSlot, TaskState, dispatched
from server.domain.worker import Category
from server.engine.dispatch.claims import Claims, age_of
from server.engine.dispatch.connections import ConnectionActivity
from server.engine.dispatch.direct_dispatch import Reservations
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

    @contextmanager
    def dispatching(self) -> Iterator[TaskDispatch]:
        """Yield the dispatch for one transaction, which must have committed at the end of the context."""
        with self.direct_dispatch.reserving() as pollers:
            dispatch = TaskDispatch(pollers)
            yield dispatch
            pollers.deliver(dispatch.claimed)
        self.wake([task for task in dispatch.due if task.id not in pollers.served])

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


class TaskDispatch:
    """Dispatches the tasks that one transaction inserts: to parked pollers, or by wake-ups after the commit."""

    def __init__(self, pollers: Reservations[NewTask, ClaimedTask]) -> None:
        self._pollers = pollers
        self.due: list[NewTask] = []
        """All tasks that may be claimed at once."""
        self.claimed: list[ClaimedTask] = []
        """The tasks that parked pollers get."""

    def assign(self, tasks: Sequence[NewTask]) -> list[NewTask]:
        """Return the tasks to insert; those that a parked poller gets have ``claim`` set.

        Tasks that are scheduled for later come last.
        """
        due = self._pollers.assign([task for task in tasks if task.scheduled_at is None])
        self.due += due
        self.claimed += [dispatched(task, task.claim) for task in due if task.claim is not None]
        return [*due, *[task for task in tasks if task.scheduled_at is not None]]
