"""A schedule: what it starts, when, and what it does about missed instants and about runs that are still open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from core.payload import Json

MISSED_AFTER = timedelta(seconds=60)
"""An instant that was not served by then counts as missed: no server ran, or the schedule's servers were stuck."""


class TargetType(StrEnum):
    """What a schedule starts."""

    WORKFLOW = "workflow"
    TASK = "task"


class MissedRunPolicy(StrEnum):
    """What to do about missed instants: nothing, or one run for all of them."""

    SKIP = "skip"
    EXECUTE_ONCE = "execute_once"


class OverlapPolicy(StrEnum):
    """What to do while what was started last is still open."""

    SKIP = "skip"
    ALLOW = "allow"
    CANCEL_PREVIOUS = "cancel_previous"


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """What a client says of a schedule. Exactly one of ``run_at`` and ``cron`` is set."""

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
    """What became of a due instant: something was started, or why not."""

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
    """Return the first instant of a schedule after a moment; None when there is none before its end."""
    if spec.cron is None:
        return spec.run_at
    found = next_after(spec.cron, spec.timezone, after)
    return None if found is None or (spec.end_at is not None and found > spec.end_at) else found


def why_skip(spec: ScheduleSpec, due: datetime, now: datetime, *, is_previous_open: bool) -> str | None:
    """Return why a due instant starts nothing; None when it does."""
    if spec.missed_run_policy is MissedRunPolicy.SKIP and now - due > MISSED_AFTER:
        return "missed: no server served it in time"
    if spec.overlap_policy is OverlapPolicy.SKIP and is_previous_open:
        return "what was started before is still open"
    return None


def following(spec: ScheduleSpec, now: datetime, next_after: NextAfter) -> datetime | None:
    """Return the next instant once the due one has been dealt with; instants missed meanwhile are one with it."""
    return None if spec.cron is None else first_instant(spec, now, next_after)


NextAfter = Callable[[str, str, datetime], datetime | None]
"""Returns the first instant of a cron line in a time zone after a moment."""
