"""Schedules: their targets, their due instants, and their policies for missed instants and open executions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from core.payload import Json

MISSED_AFTER = timedelta(seconds=60)
"""A due instant counts as missed after this time: no server was running, or none could serve it."""


class TargetType(StrEnum):
    """The type of the execution that a schedule starts."""

    WORKFLOW = "workflow"
    TASK = "task"


class MissedRunPolicy(StrEnum):
    """The policy for missed instants: skip them, or start one execution for all of them."""

    SKIP = "skip"
    EXECUTE_ONCE = "execute_once"


class OverlapPolicy(StrEnum):
    """The policy for a due instant while the last execution of the schedule is open."""

    SKIP = "skip"
    ALLOW = "allow"
    CANCEL_PREVIOUS = "cancel_previous"


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """The part of a schedule that its owner sets. Exactly one of ``run_at`` and ``cron`` is set."""

    name: str
    description: str | None
    run_at: datetime | None
    cron: str | None
    timezone: str
    end_at: datetime | None
    target: TargetType
    kind: str
    queue: str
    input: Json
    metadata: Mapping[str, str]
    max_retries: int
    missed_run_policy: MissedRunPolicy
    overlap_policy: OverlapPolicy
    enabled: bool


@dataclass(frozen=True, slots=True)
class Schedule:
    """A stored schedule."""

    tenant_id: UUID
    id: UUID
    spec: ScheduleSpec
    next_run_at: datetime | None
    last_run_at: datetime | None
    run_count: int
    created_by: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ScheduleRun:
    """The result of one due instant: the started execution, or the reason why there is none."""

    tenant_id: UUID
    schedule_id: UUID
    id: UUID
    scheduled_for: datetime
    status: str
    workflow_execution_id: UUID | None = None
    task_execution_id: UUID | None = None
    error: str | None = None
    started_at: datetime | None = None


def first_instant(spec: ScheduleSpec, after: datetime, next_after: NextAfter) -> datetime | None:
    """Return the first due instant after ``after``; None if there is none before the schedule ends."""
    if spec.cron is None:
        return spec.run_at
    instant = next_after(spec.cron, spec.timezone, after)
    return None if instant is None or (spec.end_at is not None and instant > spec.end_at) else instant


def skip_reason(spec: ScheduleSpec, due: datetime, now: datetime, *, is_previous_open: bool) -> str | None:
    """Return the reason why a due instant starts no execution; None if it starts one."""
    if spec.missed_run_policy is MissedRunPolicy.SKIP and now - due > MISSED_AFTER:
        return "missed: no server served it in time"
    if spec.overlap_policy is OverlapPolicy.SKIP and is_previous_open:
        return "the previous execution is still open"
    return None


def next_instant(spec: ScheduleSpec, now: datetime, next_after: NextAfter) -> datetime | None:
    """Return the due instant after the present one. Instants up to ``now`` are not served one by one."""
    return None if spec.cron is None else first_instant(spec, now, next_after)


NextAfter = Callable[[str, str, datetime], datetime | None]
"""Returns the first instant of a cron line in a time zone after a moment; None if there is none."""
