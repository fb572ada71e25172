"""How often a test that looks for a race repeats itself: a few times, or in full with --config=long."""

from __future__ import annotations

import os

LONG = "FLOVYN_LONG" in os.environ


def times(short: int, long: int) -> int:
    """Return ``short``, or ``long`` when repetitions are wanted in full."""
    return long if LONG else short
