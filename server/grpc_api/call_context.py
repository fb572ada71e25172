"""Facts about the call that is being served which neither its message nor its principal holds."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any

from core.auth import Identity

CONNECTION: ContextVar[str | None] = ContextVar("connection", default=None)
"""The caller's connection, such as ``ipv4:10.0.0.1:5000``; the guard sets it."""

CLAIMED: ContextVar[Any] = ContextVar("claimed", default=None)
"""The work that the call's answer carries, for the case that the answer does not reach the caller."""

DEADLINE: ContextVar[float | None] = ContextVar("deadline", default=None)
"""The time of the event loop at which the caller stops waiting; the guard sets it. None where there is no limit."""

MARGIN_S = 0.05
"""A poll is answered this long before its deadline, in seconds."""

LEAST_S = 0.02
"""An answer with work needs so long to reach the caller: with less time left, none is sent."""


def time_left() -> float | None:
    """Return for how many seconds the caller still waits, or None for ever."""
    deadline = DEADLINE.get()
    return None if deadline is None else deadline - asyncio.get_running_loop().time()


def within_deadline(hold: float) -> float:
    """Return for how many seconds of ``hold`` a poll can be held and still be answered in time."""
    left = time_left()
    return hold if left is None else max(0.0, min(hold, left - min(MARGIN_S, left / 2)))


def is_too_late() -> bool:
    """Return whether work would hardly reach the caller any more: nobody would know who has it."""
    left = time_left()
    return left is not None and left < LEAST_S


def holder(identity: Identity) -> str | None:
    """Return connection and principal as one text, or None for a call without a connection."""
    connection = CONNECTION.get()
    return None if connection is None else f"{connection} {identity.principal_type}:{identity.id}"
