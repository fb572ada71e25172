"""The use cases about runs, put together: one place that knows who needs whom."""

from __future__ import annotations

from core.plugin_services import Database
from server.engine.deliveries import Deliveries
from server.engine.promises import Promises
from server.engine.submissions import Submissions
from server.engine.timers import Timers
from server.engine.wakeups import Waker, Wakeups
from server.engine.workflows import Workflows
from server.storage.repositories import Repositories


class Engine:
    """What gRPC, REST, plugins and background services ask for runs; tasks have their own (``server.engine.tasks``)."""

    def __init__(self, database: Database, wakeups: Wakeups, wake: Waker) -> None:
        """Take the pool, where pollers wait for runs, and what wakes them."""
        storage = Repositories(database)
        self.workflows = Workflows(storage.runs, wakeups, wake)
        self.deliveries = Deliveries(storage.runs, wake)
        self.timers = Timers(storage, self.deliveries)
        self.promises = Promises(storage, self.deliveries)
        self.submissions = Submissions(
            storage, wake, timers_due=self.timers.next_due, promises_due=self.promises.next_due
        )

    async def close(self) -> None:
        """Wait for everything that was accepted to be committed."""
        for part in (self.submissions, self.promises, self.workflows):
            await part.close()
