"""A throttle lets an action pass once per key and pause."""

from __future__ import annotations

import pytest

from server.engine.throttle import Throttle
from tests.support.loop_clock import LoopClock, stopped_clock


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> LoopClock:
    """A clock that stands still."""
    return stopped_clock(monkeypatch)


def test_a_key_is_due_again_after_the_pause(clock: LoopClock) -> None:
    """And not before; other keys do not matter."""
    lines: Throttle[str] = Throttle(10.0)
    assert (lines.is_due("a"), lines.is_due("a"), lines.is_due("b")) == (True, False, True)
    clock.now += 9.99
    assert not lines.is_due("a")
    clock.now += 0.01
    assert (lines.is_due("a"), lines.is_due("a")) == (True, False)


def test_memory_is_bounded() -> None:
    """With too many keys, all are forgotten: an action may then pass too early."""
    lines: Throttle[str] = Throttle(10.0, most=2)
    assert [lines.is_due(key) for key in "aab"] == [True, False, True]
    assert [lines.is_due(key) for key in "ca"] == [True, True]
