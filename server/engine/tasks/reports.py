"""Tasks: take what is reported on them to the workflows that wait for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from uuid import UUID

from core.batching import Batcher
from core.errors import FlovynError, NotFound, WrongState
from core.plugin_services import Database
from server.domain.delivery import Delivery
from server.domain.task import (
    TaskReport,
    TaskState,
    TaskStatus,
    TaskStep,
    Verdict,
    judge,
)
from server.engine.submission.senders import Senders
from server.engine.tasks.claims import TaskClaims
from server.engine.workflows.deliveries import Delivered, Deliveries
from server.storage.tasks import TaskKey, TaskRepository

SWEEP_BATCH = 256
LEASE_OVER = "the lease is over: the worker gave no sign of life for this task in time"


class TaskReports:
    """The engine's calls about tasks; every one of them may be folded with others of its kind."""

    def __init__(self, database: Database, claims: TaskClaims, deliveries: Deliveries, senders: Senders) -> None:
        self._senders = senders
        self._database = database
        self._storage = TaskRepository(database)
        self.claims = claims
        self._deliveries = deliveries
        self._reports: Batcher[TaskReport, None] = Batcher(
            self._report_all, weigh=lambda report: len(report.output or "")
        )

    async def report(self, report: TaskReport) -> None:
        """Take what became of a task, or of an attempt at it; what is known already changes nothing.

        Raises:
            NotFound: the tenant has no such task.
            WrongState: the task's state does not allow it.
        """
        self.claims.receipts.confirmed((report.tenant_id, report.task_id))
        await self._reports.submit(report)

    async def expire(self) -> int:
        """Fail every task whose deadline has passed; return how many were found."""

        async def overdue() -> list[TaskReport]:
            return [TaskReport(*key, Verdict.EXPIRED) for key in await self._storage.overdue(SWEEP_BATCH)]

        return await self._sweep(overdue)

    async def reclaim(self, lease: float) -> int:
        """Count attempts as failed that gave no sign of life for ``lease`` seconds; return their number.

        The time-out of a task's kind replaces ``lease``.
        """

        async def expired() -> list[TaskReport]:
            found = await self._storage.expired_leases(lease, SWEEP_BATCH)
            return [
                TaskReport(tenant_id, task_id, Verdict.ABANDONED, error=LEASE_OVER, attempt=attempt)
                for tenant_id, task_id, attempt in found
            ]

        return await self._sweep(expired)

    async def _sweep(self, look: Callable[[], Awaitable[list[TaskReport]]]) -> int:
        """Report on what is found until nothing is left."""
        count = 0
        while True:
            reports = await look()
            if reports:
                await self._report_all(reports)
            count += len(reports)
            if len(reports) < SWEEP_BATCH:
                return count

    async def close(self) -> None:
        """Wait for everything that was accepted to be committed."""
        await self._reports.close()

    async def _report_all(self, reports: Sequence[TaskReport]) -> Sequence[FlovynError | None]:
        results: list[FlovynError | None] = []
        steps: list[TaskStep] = []
        delivered = Delivered()
        async with self._database.transaction() as connection:
            workflows, states = await self._storage.lock(
                connection, list({(report.tenant_id, report.task_id) for report in reports})
            )
            for report in reports:
                result = _judged(states, self._known(report, states))
                if isinstance(result, TaskStep):
                    steps.append(result)
                results.append(result if isinstance(result, FlovynError) else None)
            if steps:
                await self._storage.settle(connection, steps)
            deliveries = [delivery for step in steps if (delivery := _delivery(step)) is not None]
            if deliveries:
                delivered = await self._deliveries.append(connection, workflows, deliveries)
        self._deliveries.wake(delivered)
        # also those that were claimable all along: a poller that came by while they were locked has passed them over
        self.claims.wake([state for state in states.values() if state.status is TaskStatus.PENDING])
        return results

    def _known(self, report: TaskReport, states: dict[TaskKey, TaskState]) -> TaskReport:
        """Return a report without its sender where connections tell nothing about the sender's worker."""
        if report.sent_by is None:
            return report
        self._senders.called(report.sent_by)
        caller = (report.tenant_id, report.sent_by)
        if not self._senders.tells(caller):
            return replace(report, sent_by=None)
        state = states.get((report.tenant_id, report.task_id))
        if state is not None and state.held_by not in (None, report.sent_by):
            self._suspect(caller, state)
        return report

    def _suspect(self, caller: tuple[UUID, str], state: TaskState) -> None:
        if state.held_by is not None and caller[1] not in (state.former_holders or ()):
            self._senders.suspect(caller, state.held_by)


def _judged(states: dict[TaskKey, TaskState], report: TaskReport) -> TaskStep | FlovynError | None:
    """Return the step of a report, having moved ``states`` on, or what is wrong with it."""
    key = (report.tenant_id, report.task_id)
    if key not in states:
        return unknown_task(report.task_id)
    try:
        step = judge(states[key], report)
    except WrongState as error:
        return error
    if step is not None:
        states[key] = step.state
    return step


def _delivery(step: TaskStep) -> Delivery | None:
    """Return what a task's run is to hear; a standalone task has nobody to tell."""
    state = step.state
    if step.event is None or state.workflow_execution_id is None:
        return None
    return Delivery(state.tenant_id, state.workflow_execution_id, step.event)


def unknown_task(task_id: UUID) -> NotFound:
    """Return the error for a task that the tenant does not have."""
    return NotFound(f"there is no task {task_id} in this tenant")
