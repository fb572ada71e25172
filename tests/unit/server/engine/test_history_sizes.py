"""Warnings about large histories."""

from __future__ import annotations

from uuid import UUID

import pytest

from core.payload import Json
from server.domain.workflow_event import EVENT_OVERHEAD_BYTES, Event
from server.engine.workflows.history_sizes import WARN_BYTES, HistorySizes, size_warning

KEYS = [(UUID(int=1), UUID(int=number)) for number in range(5)]


def _event(size: int) -> Event:
    return Event(1, "x", Json("1" * (size - 1 - EVENT_OVERHEAD_BYTES)))


def test_a_history_is_warned_of_from_the_limit_on() -> None:
    """The text names the size."""
    assert size_warning(WARN_BYTES - 1) is None
    assert str(WARN_BYTES) in (size_warning(WARN_BYTES) or "")


def test_a_workflow_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """The sizes of all events count together; when too many workflows are remembered, all are forgotten."""
    sizes, half = HistorySizes(most=2), [_event(WARN_BYTES // 2)]
    for events in (half, half * 2, half * 2):
        sizes.check(KEYS[0], events)
    assert len(caplog.records) == 1
    for key in (KEYS[1], KEYS[2], KEYS[0]):
        sizes.check(key, half * 2)
    assert len(caplog.records) == 4
