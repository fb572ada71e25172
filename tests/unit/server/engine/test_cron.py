"""Cron lines in time zones, over the hours that clocks skip and repeat."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.errors import InvalidInput
from server.engine.schedules.cron import check_cron, next_after


def _instants(cron: str, timezone: str, after: datetime, count: int) -> list[str]:
    found = []
    for _ in range(count):
        following = next_after(cron, timezone, after)
        assert following is not None
        after = following
        found.append(after.strftime("%d %H:%M"))
    return found


def test_a_line_means_the_zones_own_clocks() -> None:
    """Nine in the morning in New York, in winter and in summer."""
    assert _instants("0 9 * * *", "America/New_York", datetime(2026, 3, 6, 20, tzinfo=UTC), 3) == [
        "07 14:00",
        "08 13:00",
        "09 13:00",
    ]


def test_an_hour_that_is_skipped_does_not_lose_the_day() -> None:
    """Berlin has no 02:30 on 29 March 2026: it runs when the clocks have jumped."""
    assert _instants("30 2 * * *", "Europe/Berlin", datetime(2026, 3, 28, 12, tzinfo=UTC), 2) == [
        "29 01:00",
        "30 00:30",
    ]


def test_an_hour_that_is_repeated_counts_once() -> None:
    """Berlin has 02:30 twice on 25 October 2026."""
    assert _instants("30 2 * * *", "Europe/Berlin", datetime(2026, 10, 24, 12, tzinfo=UTC), 2) == [
        "25 00:30",
        "26 01:30",
    ]


def test_a_line_that_never_comes_ends() -> None:
    """There is no 30 February: the line is refused, or has no next instant."""
    with pytest.raises(InvalidInput, match="cron"):
        check_cron("0 0 30 2 *", "UTC")


@pytest.mark.parametrize(
    ("cron", "timezone", "named"),
    [
        ("", "UTC", "cron"),
        ("* * * *", "UTC", "cron"),
        ("* * * * * *", "UTC", "cron"),
        ("61 * * * *", "UTC", "cron"),
        ("x * * * *", "UTC", "cron"),
        ("* * * * *", "Mars/Olympus", "timezone"),
        ("* * * * *", "../etc/passwd", "timezone"),
        ("* * * * *", "", "timezone"),
    ],
)
def test_malformed_lines_and_zones_are_named(cron: str, timezone: str, named: str) -> None:
    """Whichever is wrong."""
    with pytest.raises(InvalidInput, match=named):
        check_cron(cron, timezone)
