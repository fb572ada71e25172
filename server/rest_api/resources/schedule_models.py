"""Bodies of schedules and of the starts at their due instants."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import Field

from core.launchers import DEFAULT_MAX_RETRIES, DEFAULT_QUEUE
from core.paging import CursorPage
from core.rest_model import Moment, Payload, RestModel
from server.domain.schedule import MissedRunPolicy, OverlapPolicy, Schedule, ScheduleRun, ScheduleSpec, TargetType
from server.rest_api.fields import empty_object, payload, shown

MAX_RETRIES = 10


class Once(RestModel):
    """The timing of a schedule that starts its target once."""

    type: Literal["once"]
    run_at: Moment


class Recurring(RestModel):
    """The timing of a recurring schedule: a cron line of five fields, in an IANA time zone."""

    type: Literal["recurring"]
    cron: str
    timezone: str = "UTC"
    end_at: Moment | None = None


class WorkflowTarget(RestModel):
    """A workflow to start."""

    type: Literal["workflow"]
    workflow_kind: str
    queue: str = DEFAULT_QUEUE
    input: Payload = Field(default_factory=empty_object)
    metadata: dict[str, str] = Field(default_factory=dict)


class TaskTarget(RestModel):
    """A standalone task to create."""

    type: Literal["task"]
    task_kind: str
    queue: str = DEFAULT_QUEUE
    input: Payload = Field(default_factory=empty_object)
    metadata: dict[str, str] = Field(default_factory=dict)
    max_retries: int = Field(default=DEFAULT_MAX_RETRIES, ge=0, le=MAX_RETRIES)


class ScheduleInput(RestModel):
    """A schedule to create, or to replace another one with."""

    name: str
    description: str | None = None
    schedule_type: Annotated[Once | Recurring, Field(discriminator="type")]
    target: Annotated[WorkflowTarget | TaskTarget, Field(discriminator="type")]
    missed_run_policy: MissedRunPolicy = MissedRunPolicy.SKIP
    overlap_policy: OverlapPolicy = OverlapPolicy.ALLOW
    enabled: bool = True

    def spec(self) -> ScheduleSpec:
        """Return the specification that the body describes."""
        timing, target = self.schedule_type, self.target
        return ScheduleSpec(
            name=self.name,
            description=self.description,
            run_at=timing.run_at if isinstance(timing, Once) else None,
            cron=None if isinstance(timing, Once) else timing.cron,
            timezone="UTC" if isinstance(timing, Once) else timing.timezone,
            end_at=None if isinstance(timing, Once) else timing.end_at,
            target=TargetType(target.type),
            kind=target.workflow_kind if isinstance(target, WorkflowTarget) else target.task_kind,
            queue=target.queue,
            input=payload(target.input, "input"),
            metadata=target.metadata,
            max_retries=DEFAULT_MAX_RETRIES if isinstance(target, WorkflowTarget) else target.max_retries,
            missed_run_policy=self.missed_run_policy,
            overlap_policy=self.overlap_policy,
            enabled=self.enabled,
        )


class ScheduleBody(ScheduleInput):
    """A schedule."""

    id: UUID
    next_run_at: datetime | None
    next_run_at_local: str | None = Field(description="nextRunAt in the time zone of the schedule")
    last_run_at: datetime | None
    run_count: int
    created_at: datetime
    updated_at: datetime
    created_by: str

    @classmethod
    def of(cls, schedule: Schedule) -> ScheduleBody:
        """Return the body of a schedule."""
        spec, following = schedule.spec, schedule.next_run_at
        local = None if following is None else following.astimezone(ZoneInfo(spec.timezone)).isoformat()
        return cls(
            id=schedule.id,
            name=spec.name,
            description=spec.description,
            schedule_type=_timing(spec),
            target=_target(spec),
            missed_run_policy=spec.missed_run_policy,
            overlap_policy=spec.overlap_policy,
            enabled=spec.enabled,
            next_run_at=following,
            next_run_at_local=local,
            last_run_at=schedule.last_run_at,
            run_count=schedule.run_count,
            created_at=schedule.created_at,
            updated_at=schedule.updated_at,
            created_by=schedule.created_by,
        )


class ScheduleList(CursorPage):
    """A page of schedules."""

    schedules: list[ScheduleBody]


class ScheduleRunBody(RestModel):
    """The start, or the reason for none, at a due instant."""

    id: UUID
    scheduled_for: datetime
    started_at: datetime | None
    status: str
    workflow_execution_id: UUID | None
    task_execution_id: UUID | None
    error: str | None

    @classmethod
    def of(cls, run: ScheduleRun) -> ScheduleRunBody:
        """Return the body of a start at a due instant."""
        return cls(
            id=run.id,
            scheduled_for=run.scheduled_for,
            started_at=run.started_at,
            status=run.status,
            workflow_execution_id=run.workflow_execution_id,
            task_execution_id=run.task_execution_id,
            error=run.error,
        )


class ScheduleRuns(CursorPage):
    """A page of due instants, newest first."""

    runs: list[ScheduleRunBody]


def _timing(spec: ScheduleSpec) -> Once | Recurring:
    if spec.cron is None:
        assert spec.run_at is not None
        return Once(type="once", run_at=spec.run_at)
    return Recurring(type="recurring", cron=spec.cron, timezone=spec.timezone, end_at=spec.end_at)


def _target(spec: ScheduleSpec) -> WorkflowTarget | TaskTarget:
    metadata = dict(spec.metadata)
    if spec.target is TargetType.WORKFLOW:
        return WorkflowTarget(
            type="workflow", workflow_kind=spec.kind, queue=spec.queue, input=shown(spec.input), metadata=metadata
        )
    return TaskTarget(
        type="task",
        task_kind=spec.kind,
        queue=spec.queue,
        input=shown(spec.input),
        metadata=metadata,
        max_retries=spec.max_retries,
    )
