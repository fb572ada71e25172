"""The facade of the engine: the one object that protocols, background services, launchers and boot steps are given.

Its calls are grouped by noun: ``engine.workflows.start(...)``, ``engine.tasks.report(...)``. The groups below only name
the calls; each call is documented where it is written.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from core.clock import Clock
from core.service import Service
from server.config.settings import EngineSettings as Limits
from server.database.notifications import NUDGE, STREAM, WAKE
from server.database.pool import Pool
from server.database.server_process import LOCK_CLASS
from server.domain.submission import Submission
from server.domain.worker import Category
from server.engine import idempotency
from server.engine.agents.agents import AgentCalls
from server.engine.agents.claims import AgentClaims
from server.engine.dispatch.orphans import Orphans
from server.engine.dispatch.wakeups import Announcer, Waker, Wakeups
from server.engine.repeats import Repeats
from server.engine.schedules.next_due import Expected
from server.engine.schedules.schedules import Schedules
from server.engine.streams.agent_tail import AgentTail
from server.engine.streams.sources import StreamSources
from server.engine.streams.streams import OpenStreams, Streams
from server.engine.streams.tail import StreamTail
from server.engine.submission.submissions import Submissions
from server.engine.tasks.claims import TaskClaims
from server.engine.tasks.notes import TaskNotes
from server.engine.tasks.reports import TaskReports
from server.engine.tasks.spans import Spans
from server.engine.tasks.starts import TaskStarts
from server.engine.tasks.workers import ParkedWorkers, Workers
from server.engine.workflows.cancellation import Cancellation
from server.engine.workflows.children import ChildWorkflows
from server.engine.workflows.claims import WorkflowClaims
from server.engine.workflows.deletions import Deletions
from server.engine.workflows.deliveries import Deliveries
from server.engine.workflows.promises import Promises
from server.engine.workflows.retries import Retries
from server.engine.workflows.signals import Signals
from server.engine.workflows.starts import WorkflowStarts
from server.engine.workflows.timers import Timers
from server.observability.work_meter import DispatchMeter, WorkMeter
from server.storage.agent_looks import AgentLookRepository
from server.storage.orphans import OrphanRepository
from server.storage.repositories import Repositories
from server.storage.stream_tail import StreamTailRepository
from server.storage.workers import WorkerRepository

Notify = Callable[[str, list[str]], Awaitable[None]]
"""Sends payloads on a channel of the database to all processes of the deployment."""


class Engine:
    """All use cases of the server, by noun."""

    def __init__(
        self,
        database: Pool,
        limits: Limits,
        *,
        clock: Clock,
        notify: Notify,
        longest_statement: float = 30.0,
        meter: WorkMeter | None = None,
    ) -> None:
        storage = Repositories(database)
        announcer = Announcer(partial(notify, WAKE))
        self.nudge = partial(notify, NUDGE)
        meters: Mapping[Category, DispatchMeter] = meter.dispatch if meter else {}
        self.wakeups: Mapping[Category, Wakeups] = {each: Wakeups(meters.get(each)) for each in Category}
        wakers = {category: Waker(category, self.wakeups[category], announcer) for category in Category}
        wake, wake_task, wake_agent = (wakers[each] for each in (Category.WORKFLOW, Category.TASK, Category.AGENT))
        # the database stops a statement after ``longest_statement`` seconds: a lost claim is looked for that long
        claims = WorkflowClaims(storage.workflows, self.wakeups[Category.WORKFLOW], wake, longest_statement)
        task_claims = TaskClaims(database, self.wakeups[Category.TASK], wake_task, longest_statement)
        deliveries = Deliveries(storage.workflows, claims.direct_dispatch, wake)
        self.expected = Expected()
        self.workflows = WorkflowCalls(
            storage,
            claims,
            task_claims=task_claims,
            deliveries=deliveries,
            wake=wake,
            expected=self.expected,
            max_history=limits.max_history_bytes,
        )
        self.timers = Timers(storage, deliveries)
        self.promises = Promises(storage, deliveries)
        reports = TaskReports(database, task_claims, deliveries, claims.senders, wake_agent)
        notes = TaskNotes(database, limits.task_lease, claims.senders)
        self.tasks = TaskCalls(storage, task_claims, reports, notes)
        agent_claims = AgentClaims(storage.agents, self.wakeups[Category.AGENT], wake_agent, longest_statement)
        self.agents = AgentCalls(storage, agent_claims, self.tasks, self.expected.deadlines, limits)
        self.workers = Workers(WorkerRepository(database), limits.worker_silence)
        self.spans = Spans(storage)
        self.streams = StreamCalls(database, partial(notify, STREAM), clock, limits)
        self.schedules = Schedules(database, self.workflows.cancellation, self.tasks.reports, wake, clock)
        self.repeats = Repeats(database, limits.keep_answers)
        longest_lease = max(limits.activation_lease, limits.task_lease)
        self.orphans = Orphans(OrphanRepository(database, LOCK_CLASS), list(wakers.values()), longest_lease)
        parked = [wakeups.workers for wakeups in self.wakeups.values()]
        parked_workers = ParkedWorkers(self.workers, parked, limits.worker_silence)
        self.services: list[Service] = [self.streams.tail, self.streams.agent_tail, parked_workers]
        self._keys = storage.keys
        self._announcer = announcer

    async def clean_keys(self) -> int:
        """Delete expired idempotency keys and expired answers of calls; return how many there were."""
        return await idempotency.clean(self._keys.clean) + await idempotency.clean(self.repeats.clean)

    def wake_all(self) -> None:
        """Wake every parked poller of this process: notifications may have been lost."""
        for wakeups in self.wakeups.values():
            wakeups.wake_all()

    def drain(self) -> None:
        """Answer all parked pollers and end all streams, now and from now on: the process is about to stop."""
        for wakeups in self.wakeups.values():
            wakeups.close()
        self.streams.end()

    async def close(self) -> None:
        """Wait until all accepted calls are committed, and all notifications are sent."""
        await self.promises.close()
        await self.workflows.close()
        await self.agents.close()
        await self.tasks.close()
        await self.workers.close()
        await self.streams.close()
        await self._announcer.close()


class WorkflowCalls:
    """The calls about workflow executions."""

    def __init__(
        self,
        storage: Repositories,
        claims: WorkflowClaims,
        *,
        task_claims: TaskClaims,
        deliveries: Deliveries,
        wake: Waker,
        expected: Expected,
        max_history: int | None,
    ) -> None:
        self.claims = claims
        self.poll, self.release, self.watch = claims.poll, claims.release, claims.watch
        self.history, self.prune = claims.history, claims.prune
        self._starts = WorkflowStarts(storage, claims.direct_dispatch, wake)
        self.start = self._starts.start
        self.start_child = ChildWorkflows(storage, deliveries, wake).start
        self._signals = Signals(storage, deliveries)
        self.signal, self.signal_with_start = self._signals.signal, self._signals.signal_with_start
        self.signal_all = self._signals.signal_all
        self.cancellation = Cancellation(storage, deliveries)
        self.terminate, self.end_all = self.cancellation.terminate, self.cancellation.end_all
        self.cancel, self.carry_out_cancellations = self.cancellation.cancel, self.cancellation.carry_out_requests
        retries, deletions = Retries(storage, wake, task_claims.wake_queue), Deletions(storage)
        self.retry, self.retry_all = retries.retry, retries.retry_all
        self.delete, self.delete_all = deletions.delete, deletions.delete_all
        self.deliveries = deliveries
        self._submissions = Submissions(
            storage,
            self.cancellation,
            deliveries,
            wake=wake,
            tasks=task_claims,
            expected=expected,
            senders=claims.senders,
            max_history=max_history,
        )

    async def submit(self, submission: Submission) -> None:
        """Apply a worker's submission; see ``Submissions.submit``. It also shows that its worker got its answer."""
        self.claims.receipts.submitted((submission.tenant_id, submission.workflow_id))
        await self._submissions.submit(submission)

    async def reclaim(self, lease: float, silence: float) -> int:
        """Release workflows whose workers do not report; return how many. See ``WorkflowClaims.reclaim``.

        Workflows that are CANCELLING end when their lease is over.
        """
        return await self.claims.reclaim(lease, silence) + await self.cancellation.reclaim(lease)

    async def close(self) -> None:
        """Wait until all accepted calls are committed."""
        await self._starts.close()
        await self._submissions.close()
        await self._signals.close()
        await self.claims.close()


class TaskCalls:
    """The calls about task executions."""

    def __init__(self, storage: Repositories, claims: TaskClaims, reports: TaskReports, notes: TaskNotes) -> None:
        self.claims, self.reports, self.notes = claims, reports, notes
        self.poll, self.release, self.connections = claims.poll, claims.release, claims.connections
        self._starts = TaskStarts(storage, claims)
        self.start = self._starts.start
        self.report, self.reclaim = reports.report, reports.reclaim
        self.expire, self.expire_due = reports.expire, reports.expire_due
        self.report_progress, self.heartbeat, self.sign, self.log = (
            notes.report_progress,
            notes.heartbeat,
            notes.sign,
            notes.log,
        )
        self.get_state, self.set_state = notes.get_state, notes.set_state
        self.clear_state, self.state_keys = notes.clear_state, notes.state_keys

    async def close(self) -> None:
        """Wait until all accepted calls are committed."""
        await self._starts.close()
        await self.reports.close()
        await self.claims.close()
        await self.notes.close()


class StreamCalls:
    """The calls about streams."""

    def __init__(
        self, database: Pool, send: Callable[[list[str]], Awaitable[None]], clock: Clock, limits: Limits
    ) -> None:
        self._streams = streams = Streams(send, OpenStreams(limits.streams, limits.streams_per_tenant))
        self.open_streams = streams.open_streams
        self.publish, self.received = streams.publish, streams.received
        self.subscribe, self.end = streams.subscribe, streams.end
        views = StreamTailRepository(database)
        self.sources = StreamSources(views)
        self.tail = StreamTail(views, streams, clock)
        self.follow_workflow, self.follow_task = self.tail.follow_workflow, self.tail.follow_task
        self.agent_tail = AgentTail(AgentLookRepository(database), streams)
        self.follow_agent = self.agent_tail.follow

    async def close(self) -> None:
        """Wait until no look-up is under way and all chunks are sent."""
        await self.sources.close()
        await self._streams.close()
