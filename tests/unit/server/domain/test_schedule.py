"""Due instants of schedules, and the policies about missed instants and open executions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.payload import NULL
from server.domain.schedule import (
    MISSED_AFTER,
    MissedRunPolicy,
    OverlapPolicy,
    ScheduleSpec,
    TargetType,
    first_instant,
    next_instant,
    skip_reason,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ONCE = ScheduleSpec(
    name="s",
    description=None,
    run_at=NOW + HOUR,
    cron=None,
    timezone="UTC",
    end_at=None,
    target=TargetType.WORKFLOW,
    kind="k",
    queue="q",
    input=NULL,
    metadata={},
    max_retries=0,
    missed_run_policy=MissedRunPolicy.SKIP,
    overlap_policy=OverlapPolicy.SKIP,
    enabled=True,
)
HOURLY = replace(ONCE, run_at=None, cron="0 * * * *")


def _hour_later(_cron: str, _timezone: str, after: datetime) -> datetime | None:
    return after + HOUR


def _never(_cron: str, _timezone: str, _after: datetime) -> datetime | None:
    return None


def test_a_schedule_for_one_instant_is_due_once() -> None:
    """It is due at that instant, and has no next one."""
    assert first_instant(ONCE, NOW, _never) == NOW + HOUR
    assert next_instant(ONCE, NOW, _hour_later) is None


@pytest.mark.parametrize(("end_at", "instant"), [(NOW + HOUR, NOW + HOUR), (NOW + HOUR - timedelta(seconds=1), None)])
def test_a_recurring_schedule_has_no_instant_after_its_end(end_at: datetime, instant: datetime | None) -> None:
    """An instant at the very end is still due."""
    assert first_instant(replace(HOURLY, end_at=end_at), NOW, _hour_later) == instant
    assert next_instant(replace(HOURLY, end_at=end_at), NOW, _hour_later) == instant


def test_a_cron_line_without_an_instant_ends_the_schedule() -> None:
    """There is nothing to be due."""
    assert first_instant(HOURLY, NOW, _never) is None


@pytest.mark.parametrize(
    ("policy", "late", "skips"),
    [
        (MissedRunPolicy.SKIP, MISSED_AFTER, False),
        (MissedRunPolicy.SKIP, MISSED_AFTER + timedelta(microseconds=1), True),
        (MissedRunPolicy.EXECUTE_ONCE, 10 * MISSED_AFTER, False),
    ],
)
def test_a_missed_instant_is_skipped_by_its_policy_alone(policy: MissedRunPolicy, late: timedelta, skips: bool) -> None:  # noqa: FBT001
    """An instant is missed when it is served later than ``MISSED_AFTER``."""
    reason = skip_reason(replace(HOURLY, missed_run_policy=policy), NOW, NOW + late, is_previous_open=False)
    assert (reason is not None) == skips


@pytest.mark.parametrize("policy", OverlapPolicy)
@pytest.mark.parametrize("is_open", [True, False])
def test_an_open_execution_skips_an_instant_by_its_policy_alone(policy: OverlapPolicy, is_open: bool) -> None:  # noqa: FBT001
    """The other policies start the next execution."""
    reason = skip_reason(replace(HOURLY, overlap_policy=policy), NOW, NOW, is_previous_open=is_open)
    assert (reason is not None) == (is_open and policy is OverlapPolicy.SKIP)
