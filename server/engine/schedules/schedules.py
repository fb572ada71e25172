"""The calls about schedules, and the start of due ones: each due instant is served once in the whole deployment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from core.clock import Clock
from core.connection import DatabaseConnection
from core.errors import FlovynError, InvalidInput, NotFound
from core.fields import name_field, optional_text
from core.launchers import TaskLaunch, WorkflowLaunch
from core.paging import PageMembers, Paging
from core.plugin_services import Database
from server.domain.cancellation import CancellationRequest
from server.domain.schedule import (
    OverlapPolicy,
    Schedule,
    ScheduleRun,
    ScheduleSpec,
    TargetType,
    first_instant,
    next_instant,
    skip_reason,
)
from server.domain.task import NewTask, TaskOutcome, TaskReport
from server.domain.workflow import NewWorkflow
from server.engine.dispatch.wakeups import Waker
from server.engine.schedules.cron import check_cron, next_after
from server.engine.schedules.next_due import NextDue
from server.engine.tasks.reports import TaskReports
from server.engine.tasks.starts import new_task
from server.engine.workflows.cancellation import Cancellation
from server.engine.workflows.starts import new_workflow
from server.storage.repositories import Repositories
from server.storage.schedules import ScheduleKey, ScheduleRepository

BATCH = 50
"""The number of due schedules in one transaction."""
LONGEST_DESCRIPTION = 4096


@dataclass(slots=True)
class _Batch:
    """The rows that due schedules cause, and the executions that they cancel."""

    records: list[tuple[ScheduleRun, datetime | None]] = field(default_factory=list)
    workflows: list[NewWorkflow] = field(default_factory=list)
    tasks: list[NewTask] = field(default_factory=list)
    cancelled_workflows: list[CancellationRequest] = field(default_factory=list)
    cancelled_tasks: list[tuple[UUID, UUID]] = field(default_factory=list)


class Schedules:
    """The calls about schedules."""

    def __init__(
        self, database: Database, cancellation: Cancellation, tasks: TaskReports, wake: Waker, clock: Clock
    ) -> None:
        self._storage = Repositories(database)
        self._schedules = ScheduleRepository(database)
        self._cancellation = cancellation
        self._tasks = tasks
        self._wake = wake
        self._clock = clock
        self.next_due = NextDue()

    async def create(self, tenant_id: UUID, spec: ScheduleSpec, by: str) -> Schedule:
        """Create a schedule.

        Raises:
            InvalidInput: a field is not valid; the message names it.
        """
        key = (tenant_id, uuid4())
        await self._schedules.insert(key, spec, self._first(tenant_id, spec), by)
        return await self.get(key)

    async def replace(self, key: ScheduleKey, spec: ScheduleSpec) -> Schedule:
        """Replace a schedule under its id; an equal schedule stays unchanged.

        Raises:
            InvalidInput: a field is not valid; the message names it.
            NotFound: the tenant has no such schedule.
        """
        _check(key[0], spec)
        return await self._change(key, lambda _schedule: (spec, self._first(key[0], spec)))

    async def switch(self, key: ScheduleKey, *, enabled: bool) -> Schedule:
        """Pause or resume a schedule. Instants that pass during the pause are not served later.

        Raises:
            NotFound: the tenant has no such schedule.
        """

        def switched(schedule: Schedule) -> tuple[ScheduleSpec, datetime | None]:
            spec = replace(schedule.spec, enabled=enabled)
            return spec, schedule.next_run_at if spec.cron is None else self._first(key[0], spec)

        return await self._change(key, switched)

    async def _change(
        self, key: ScheduleKey, changed: Callable[[Schedule], tuple[ScheduleSpec, datetime | None]]
    ) -> Schedule:
        """Change a schedule under its row lock, so that no concurrent change is lost; an equal one is not written."""
        async with self._storage.database.transaction() as connection:
            schedule = await self._schedules.lock(connection, key)
            if schedule is None:
                raise _unknown(key)
            spec, next_run_at = changed(schedule)
            if spec == schedule.spec:
                return schedule
            await self._schedules.replace(connection, key, spec, next_run_at)
        return await self.get(key)

    async def delete(self, key: ScheduleKey) -> None:
        """Delete a schedule; the executions that it started go on.

        Raises:
            NotFound: the tenant has no such schedule.
        """
        if not await self._schedules.delete(key):
            raise _unknown(key)

    async def get(self, key: ScheduleKey) -> Schedule:
        """Return a schedule.

        Raises:
            NotFound: the tenant has no such schedule.
        """
        schedule = await self._schedules.get(key)
        if schedule is None:
            raise _unknown(key)
        return schedule

    async def page(self, tenant_id: UUID, paging: Paging) -> tuple[list[Schedule], PageMembers]:
        """Return a page of schedules, newest first, and the members of its answer."""
        return await self._schedules.page(tenant_id, paging)

    async def runs(self, key: ScheduleKey, paging: Paging) -> tuple[list[ScheduleRun], PageMembers]:
        """Return a page of the results of due instants, newest first, and the members of its answer.

        Raises:
            NotFound: the tenant has no such schedule.
        """
        runs = await self._schedules.runs(key, paging)
        if not runs[0]:
            await self.get(key)
        return runs

    async def trigger(self, key: ScheduleKey) -> ScheduleRun:
        """Start the target of a schedule now, regardless of its policies; its next due instant stays.

        Raises:
            NotFound: the tenant has no such schedule.
        """
        batch = _Batch()
        async with self._storage.database.transaction() as connection:
            schedule = await self._schedules.lock(connection, key)
            if schedule is None:
                raise _unknown(key)
            _start(batch, schedule, self._clock.now(), schedule.next_run_at)
            await self._write(connection, batch)
        await self._wake_and_cancel(batch)
        return batch.records[0][0]

    async def run_due(self) -> tuple[int, bool]:
        """Serve a batch of due schedules; return their number, and whether more may be due."""
        batch = _Batch()
        async with self._storage.database.transaction() as connection:
            due = await self._schedules.due(connection, BATCH)
            if due:
                keys = [(each.tenant_id, each.id) for each in due]
                previous = await self._schedules.open(connection, keys)
                now = self._clock.now()
                for schedule in due:
                    _serve(batch, schedule, now, previous.get((schedule.tenant_id, schedule.id)))
                await self._write(connection, batch)
        await self._wake_and_cancel(batch)
        return len(due), len(due) == BATCH

    async def _write(self, connection: DatabaseConnection, batch: _Batch) -> None:
        if batch.workflows:
            await self._storage.workflows.insert(connection, batch.workflows)
        if batch.tasks:
            await self._storage.tasks.insert(connection, batch.tasks)
        if batch.cancelled_workflows:
            await self._storage.cancellations.request(connection, batch.cancelled_workflows)
        await self._schedules.record(connection, batch.records)

    async def _wake_and_cancel(self, batch: _Batch) -> None:
        for workflow in batch.workflows:
            self._wake((workflow.tenant_id, workflow.queue), workflow.kind)
        self._tasks.claims.wake(batch.tasks)
        if batch.cancelled_workflows:
            await self._cancellation.carry_out_requests()
        for tenant_id, task_id in batch.cancelled_tasks:
            try:
                await self._tasks.report(TaskReport(tenant_id, task_id, TaskOutcome.CANCELLED))
            except FlovynError:
                continue  # the task has ended in the meantime

    def _first(self, tenant_id: UUID, spec: ScheduleSpec) -> datetime | None:
        _check(tenant_id, spec)
        first = first_instant(spec, self._clock.now(), next_after)
        if first is not None:
            self.next_due.expect(max(0.0, (first - self._clock.now()).total_seconds()))
        return first


def _serve(batch: _Batch, schedule: Schedule, now: datetime, previous: tuple[Any, Any] | None) -> None:
    due = schedule.next_run_at
    assert due is not None
    next_run_at = next_instant(schedule.spec, now, next_after)
    reason = skip_reason(schedule.spec, due, now, is_previous_open=previous is not None)
    if reason is not None:
        skipped = ScheduleRun(schedule.tenant_id, schedule.id, uuid4(), due, "SKIPPED", error=reason)
        batch.records.append((skipped, next_run_at))
        return
    if previous is not None and schedule.spec.overlap_policy is OverlapPolicy.CANCEL_PREVIOUS:
        _cancel(batch, schedule, *previous)
    _start(batch, schedule, due, next_run_at)


def _cancel(batch: _Batch, schedule: Schedule, workflow_id: UUID | None, task_id: UUID | None) -> None:
    if workflow_id is not None:
        by = f"schedule:{schedule.id}"
        batch.cancelled_workflows.append(
            CancellationRequest(
                schedule.tenant_id, workflow_id, f"the schedule {schedule.spec.name!r} started the next execution", by
            )
        )
    if task_id is not None:
        batch.cancelled_tasks.append((schedule.tenant_id, task_id))


def _start(batch: _Batch, schedule: Schedule, instant: datetime, next_run_at: datetime | None) -> None:
    target = _target(schedule.tenant_id, schedule.spec)
    workflow_id = task_id = None
    if isinstance(target, NewWorkflow):
        batch.workflows.append(target)
        workflow_id = target.id
    else:
        batch.tasks.append(target)
        task_id = target.id
    started = ScheduleRun(schedule.tenant_id, schedule.id, uuid4(), instant, "STARTED", workflow_id, task_id)
    batch.records.append((started, next_run_at))


def _target(tenant_id: UUID, spec: ScheduleSpec) -> NewWorkflow | NewTask:
    if spec.target is TargetType.WORKFLOW:
        return new_workflow(WorkflowLaunch(tenant_id, spec.kind, spec.input, spec.queue, metadata=spec.metadata))
    launch = TaskLaunch(tenant_id, spec.kind, spec.input, spec.queue, spec.max_retries, metadata=spec.metadata)
    return new_task(launch, None, None)


def _check(tenant_id: UUID, spec: ScheduleSpec) -> None:
    name_field(spec.name, "name")
    optional_text(spec.description or "", "description", LONGEST_DESCRIPTION)
    if spec.cron is not None:
        check_cron(spec.cron, spec.timezone)
    if spec.cron is None and spec.end_at is not None:
        raise InvalidInput("endAt belongs to recurring schedules")
    _target(tenant_id, spec)


def _unknown(key: ScheduleKey) -> NotFound:
    return NotFound(f"there is no schedule {key[1]} in this tenant")
