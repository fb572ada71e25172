"""A clock in place of the event loop's, for code that only asks for the time."""

from __future__ import annotations

import asyncio

import pytest


class LoopClock:
    """The time of the event loop, in seconds, as a test sets it."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def time(self) -> float:
        """Return the time."""
        return self.now


def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> LoopClock:
    """Return a clock that stands still, in place of the running loop until the end of the test."""
    clock = LoopClock()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: clock)
    return clock
