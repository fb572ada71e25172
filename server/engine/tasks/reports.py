"""Reports on tasks: by workers, by callers and by the reaper; and what they cause in workflows and agents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from uuid import UUID

from core.batching import Batcher
from core.connection import DatabaseConnection
from core.errors import FlovynError, NotFound, WrongState
from core.plugin_services import Database
from server.database.effects import count
from server.domain.delivery import Delivery
from server.domain.task import (
    TaskOutcome,
    TaskReport,
    TaskState,
    TaskStatus,
    TaskStep,
    apply_report,
)
from server.domain.worker import Category
from server.engine.dispatch.wakeups import QueueKey
from server.engine.submission.senders import Senders
from server.engine.tasks.agents import AgentsAreLockedError, AgentsOfTasks
from server.engine.tasks.claims import TaskClaims
from server.engine.workflows.deliveries import Deliveries
from server.storage.agents import AgentRepository
from server.storage.tasks import TaskKey, TaskRepository

SWEEP_BATCH = 256
"""The number of tasks that a sweep ends in one transaction."""
LEASE_OVER = "the lease is over: the worker gave no sign of life for this task in time"


class TaskReports:
    """The calls that end tasks and attempts. Concurrent reports are written as one batch."""

    def __init__(
        self,
        database: Database,
        claims: TaskClaims,
        deliveries: Deliveries,
        senders: Senders,
        wake_agent: Callable[[QueueKey, str], None],
    ) -> None:
        self._senders = senders
        self._wake_agent = wake_agent
        self._database = database
        self._storage = TaskRepository(database)
        self._agents = AgentRepository(database)
        self.claims = claims
        self._deliveries = deliveries
        self._had_agents = False
        self._reports: Batcher[TaskReport, bool] = Batcher(
            self._report_all, weigh=lambda report: len(report.output or ""), name="task_reports"
        )

    async def report(self, report: TaskReport) -> bool:
        """Apply a report on a task or on an attempt; return whether it changed the task. A repeated one does not.

        Raises:
            NotFound: the tenant has no such task.
            WrongState: the task's state does not allow it.
        """
        self.claims.receipts.confirmed((report.tenant_id, report.task_id))
        return await self._reports.submit(report)

    async def expire(self) -> int:
        """Fail all tasks whose deadline has passed; return their number."""

        async def overdue() -> list[TaskReport]:
            return [TaskReport(*key, TaskOutcome.EXPIRED) for key in await self._storage.overdue(SWEEP_BATCH)]

        return await self._sweep(overdue)

    async def expire_due(self) -> tuple[int, bool]:
        """Fail all tasks whose deadline has passed; return their number, and that none is left."""
        return await self.expire(), False

    async def reclaim(self, lease: float) -> int:
        """Fail all attempts without a sign of life for ``lease`` seconds; return their number.

        If the task's kind has a timeout, it replaces ``lease``.
        """

        async def expired() -> list[TaskReport]:
            attempts = await self._storage.expired_leases(lease, SWEEP_BATCH)
            return [
                TaskReport(tenant_id, task_id, TaskOutcome.ABANDONED, error=LEASE_OVER, attempt=attempt)
                for tenant_id, task_id, attempt in attempts
            ]

        return await self._sweep(expired)

    async def _sweep(self, next_batch: Callable[[], Awaitable[list[TaskReport]]]) -> int:
        """Apply the reports of all batches; return their number."""
        count = 0
        while True:
            reports = await next_batch()
            if reports:
                await self._report_all(reports)
            count += len(reports)
            if len(reports) < SWEEP_BATCH:
                return count

    async def close(self) -> None:
        """Wait until all accepted reports are committed."""
        await self._reports.close()

    async def _report_all(self, reports: Sequence[TaskReport]) -> Sequence[bool | FlovynError]:
        agents = AgentsOfTasks(self._agents, are_first=self._had_agents)
        try:
            return await self._report_some(reports, agents)
        except AgentsAreLockedError:
            # nothing was written; now the agents are locked first, and the transaction waits for them
            return await self._report_some(reports, AgentsOfTasks(self._agents, are_first=True))

    async def _report_some(self, reports: Sequence[TaskReport], agents: AgentsOfTasks) -> Sequence[bool | FlovynError]:
        results: list[bool | FlovynError] = []
        steps: list[TaskStep] = []
        keys = list({(report.tenant_id, report.task_id) for report in reports})
        async with self._deliveries.dispatching() as dispatch, self._database.transaction() as connection:
            await agents.lock_first(connection, keys)
            # workflows are locked before tasks, here and in submissions: the other order would deadlock
            workflows, states = await self._storage.lock(connection, keys)
            # a batch with tasks of agents is mostly followed by another one; agents that are locked first need no retry
            self._had_agents = any(state.agent_execution_id is not None for state in states.values())
            await agents.lock(connection, states.values())
            for report in reports:
                result = _applied(states, self._identified(report, states))
                if isinstance(result, TaskStep):
                    steps.append(agents.noted(result))
                results.append(result if isinstance(result, FlovynError) else result is not None)
            if steps:
                await self._storage.settle(connection, steps)
                await agents.wake(connection)
            _count_sweep(connection, reports)
            deliveries = [delivery for step in steps if (delivery := _delivery(step)) is not None]
            await dispatch.append(connection, workflows, deliveries)
        for report in reports:
            state = states.get((report.tenant_id, report.task_id))
            if report.span is not None and state is not None:
                report.span.link(state.trace, state.id)
        for tenant_id, _, queue, kind in agents.woken:
            self._wake_agent((tenant_id, queue), kind)
        # also tasks that were pending before: a claim skips locked rows, so that a poller may have missed them
        self.claims.wake([state for state in states.values() if state.status is TaskStatus.PENDING])
        return results

    def _identified(self, report: TaskReport, states: dict[TaskKey, TaskState]) -> TaskReport:
        """Return the report, without its sender if connections do not identify the workers of this principal."""
        if report.sent_by is None:
            return report
        self._senders.called(report.sent_by)
        caller = (report.tenant_id, report.sent_by)
        if not self._senders.identifies(caller):
            return replace(report, sent_by=None)
        state = states.get((report.tenant_id, report.task_id))
        if state is not None and state.held_by not in (None, report.sent_by):
            self._suspect(caller, state)
        return report

    def _suspect(self, caller: tuple[UUID, str], state: TaskState) -> None:
        if state.held_by is not None and caller[1] not in (state.former_holders or ()):
            self._senders.suspect(caller, state.held_by)


def _count_sweep(connection: DatabaseConnection, reports: Sequence[TaskReport]) -> None:
    """Count the tasks and attempts that a sweep ends."""
    expired = sum(report.outcome is TaskOutcome.EXPIRED for report in reports)
    abandoned = sum(report.outcome is TaskOutcome.ABANDONED for report in reports)
    if expired:
        count(connection, lambda meter: meter.deadlines_passed(expired))
    if abandoned:
        count(connection, lambda meter: meter.expired(Category.TASK, ["lease"] * abandoned))


def _applied(states: dict[TaskKey, TaskState], report: TaskReport) -> TaskStep | FlovynError | None:
    """Return the step of a report and update ``states``; return the error of a refused report."""
    key = (report.tenant_id, report.task_id)
    if key not in states:
        return unknown_task(report.task_id)
    try:
        step = apply_report(states[key], report)
    except WrongState as error:
        return error
    if step is not None:
        states[key] = step.state
    return step


def _delivery(step: TaskStep) -> Delivery | None:
    """Return the event for the task's workflow; None for a standalone task or without an event."""
    state = step.state
    if step.event is None or state.workflow_execution_id is None:
        return None
    return Delivery(state.tenant_id, state.workflow_execution_id, step.event)


def unknown_task(task_id: UUID) -> NotFound:
    """Return the error for a task that the tenant does not have."""
    return NotFound(f"there is no task {task_id} in this tenant")
