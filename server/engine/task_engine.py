"""The use cases about tasks and workers, put together: one place that knows who needs whom."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from core.clock import Clock
from core.plugin_services import Database
from core.service import Service
from server.config.settings import Engine as Limits
from server.engine.streams.room import StreamRoom
from server.engine.streams.sources import StreamSources
from server.engine.streams.streams import Streams
from server.engine.streams.tail import StreamTail
from server.engine.tasks.claims import TaskClaims
from server.engine.tasks.notes import TaskNotes
from server.engine.tasks.parked_workers import ParkedWorkers
from server.engine.tasks.reports import Tasks
from server.engine.tasks.starts import TaskStarts
from server.engine.tasks.workers import Workers
from server.engine.workflows.claims import Workflows
from server.engine.workflows.deliveries import Deliveries
from server.storage.repositories import Repositories
from server.storage.stream_tail import StreamTailRepository
from server.storage.workers import WorkerRepository


class TaskEngine:
    """What gRPC, REST, plugins and background services ask for tasks, workers and streams."""

    def __init__(
        self,
        database: Database,
        deliveries: Deliveries,
        claims: TaskClaims,
        *,
        send_chunks: Callable[[list[str]], Awaitable[None]],
        clock: Clock,
        limits: Limits,
        workflows: Workflows,
    ) -> None:
        """Take the pool, the way into runs, what brings tasks to pollers, and what carries chunks."""
        senders = workflows.senders
        self.tasks = Tasks(database, claims, deliveries, senders)
        self.starts = TaskStarts(Repositories(database), claims)
        self.notes = TaskNotes(database, limits.task_lease, senders)
        self.streams = Streams(send_chunks, StreamRoom(limits.streams, limits.streams_per_tenant))
        views = StreamTailRepository(database)
        self.stream_sources = StreamSources(views)
        self.tail = StreamTail(views, self.streams, clock)
        self.workers = Workers(WorkerRepository(database), limits.worker_silence)
        parked = ParkedWorkers(self.workers, [workflows.parked, claims.parked], limits.worker_silence)
        self.services: list[Service] = [self.tail, parked]

    async def close(self) -> None:
        """Wait for everything that was accepted to be committed."""
        for part in (self.starts, self.tasks, self.tasks.claims, self.notes, self.workers):
            await part.close()
        await self.stream_sources.close()
        await self.streams.close()
