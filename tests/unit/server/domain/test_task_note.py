"""Progress and log levels of notes."""

from __future__ import annotations

import math

import pytest

from core.errors import InvalidInput
from server.domain.task_note import LogLevel, checked_progress, log_level


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("DEBUG", LogLevel.DEBUG),
        ("Warn", LogLevel.WARN),
        ("error", LogLevel.ERROR),
        ("", LogLevel.INFO),
        ("x", LogLevel.INFO),
    ],
)
def test_a_level_is_read_in_any_case_and_info_otherwise(name: str, level: LogLevel) -> None:
    """No line is lost for its level."""
    assert log_level(name) is level


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_progress_from_zero_to_one_is_valid(value: float) -> None:
    """Both ends are valid."""
    assert checked_progress(value) == value


@pytest.mark.parametrize("value", [-0.001, 1.001, math.nan, math.inf])
def test_other_progress_is_refused(value: float) -> None:
    """NaN is refused as well."""
    with pytest.raises(InvalidInput, match="progress"):
        checked_progress(value)
