"""The use cases about runs, put together: one place that knows who needs whom."""

from __future__ import annotations

from server.config.settings import Engine as Limits
from server.database.pool import Pool
from server.engine import idempotency
from server.engine.dispatch.wakeups import Waker, Wakeups
from server.engine.repeats import Repeats
from server.engine.schedules.next_due import Expected
from server.engine.submission.submissions import Submissions
from server.engine.tasks.claims import TaskClaims
from server.engine.tasks.spans import Spans
from server.engine.workflows.cancellation import Cancellation
from server.engine.workflows.children import Children
from server.engine.workflows.claims import Workflows
from server.engine.workflows.deliveries import Deliveries
from server.engine.workflows.promises import Promises
from server.engine.workflows.retries import Retries
from server.engine.workflows.signals import Signals
from server.engine.workflows.starts import Starts
from server.engine.workflows.timers import Timers
from server.storage.repositories import Repositories


class Engine:
    """The use cases of workflow executions; ``server.engine.task_engine`` has those of tasks and workers."""

    def __init__(
        self,
        database: Pool,
        wakeups: Wakeups,
        wake: Waker,
        tasks: TaskClaims,
        limits: Limits,
        *,
        longest_statement: float = 30.0,
    ) -> None:
        """Put the parts together; the database stops a statement after ``longest_statement`` seconds."""
        storage = Repositories(database)
        self._keys = storage.keys
        self.repeats = Repeats(database, limits.keep_answers)
        self.expected = Expected()
        self.workflows = Workflows(storage.workflows, wakeups, wake, longest_statement)
        self.starts = Starts(storage, self.workflows.direct_dispatch, wake)
        self.deliveries = Deliveries(storage.workflows, wake)
        self.timers = Timers(storage, self.deliveries)
        self.spans = Spans(storage)
        self.promises = Promises(storage, self.deliveries)
        self.signals = Signals(storage, self.deliveries)
        self.cancellation = Cancellation(storage, self.deliveries)
        self.retries = Retries(storage, wake, tasks.wake_queue)
        self.children = Children(storage, self.deliveries, wake)
        self.submissions = Submissions(
            storage,
            self.cancellation,
            wake=wake,
            tasks=tasks,
            expected=self.expected,
            senders=self.workflows.senders,
            max_history=limits.max_history_bytes,
        )

    async def reclaim(self, lease: float, silence: float) -> int:
        """Take runs back whose workers do not report; return how many. See ``Workflows.reclaim``.

        Those that are being cancelled end when their lease is over.
        """
        return await self.workflows.reclaim(lease, silence) + await self.cancellation.reclaim(lease)

    async def clean_keys(self) -> int:
        """Delete expired idempotency keys and expired answers of calls; return how many there were."""
        return await idempotency.clean(self._keys.clean) + await idempotency.clean(self.repeats.clean)

    async def close(self) -> None:
        """Wait for everything that was accepted to be committed."""
        for part in (self.starts, self.submissions, self.promises, self.signals, self.workflows):
            await part.close()
