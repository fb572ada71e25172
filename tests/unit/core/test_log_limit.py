"""Log lines that callers can cause are few, and say how many they stand for."""

from __future__ import annotations

import logging

import pytest

from core.log_limit import LogLimit


def test_one_line_per_kind_and_period_counts_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """The first of a kind is written at once, the next after the period with the number of those between."""
    now = [100.0]
    limit = LogLimit(logging.getLogger("limited"), 1.0, lambda: now[0])
    for number in range(5):
        limit.warning("a", "a happened to %s", number)
    limit.warning("b", "b happened, %d%%", 7)
    now[0] += 1
    limit.warning("a", "a happened to %s", "100 %d")
    assert [record.getMessage() for record in caplog.records] == [
        "a happened to 0 (0 more since the last such line)",
        "b happened, 7% (0 more since the last such line)",
        "a happened to 100 %d (4 more since the last such line)",
    ]
