"""Context variables of the call that is being served: its connection, its deadline, and the work that it claimed."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from core.auth import Identity
from core.tracing import CURRENT, SpanContext, span_id_of

CONNECTION: ContextVar[str | None] = ContextVar("connection", default=None)
"""The caller's connection, such as ``ipv4:10.0.0.1:5000``. ``GrpcCall`` sets it."""

CLAIMED: ContextVar[Any] = ContextVar("claimed", default=None)
"""The claimed work in the answer of a poll; it is released when the answer does not reach the caller."""

DEADLINE: ContextVar[float | None] = ContextVar("deadline", default=None)
"""The time of the event loop at which the caller stops waiting; None without a limit. ``GrpcCall`` sets it."""

MARGIN_S = 0.05
"""Seconds between the answer to an empty poll and its deadline."""

MIN_TIME_LEFT_S = 0.02
"""Seconds that an answer with work needs to reach the caller; with less time left, no work is sent."""


def time_left() -> float | None:
    """Return the seconds for which the caller still waits; None without a limit."""
    deadline = DEADLINE.get()
    return None if deadline is None else deadline - asyncio.get_running_loop().time()


def within_deadline(hold: float) -> float:
    """Return the seconds, at most ``hold``, for which a poll can be held and still be answered before its deadline."""
    left = time_left()
    return hold if left is None else max(0.0, min(hold, left - min(MARGIN_S, left / 2)))


def is_too_late() -> bool:
    """Return whether an answer with work might reach the caller too late: the work would stay claimed in vain."""
    left = time_left()
    return left is not None and left < MIN_TIME_LEFT_S


def handed_out(stored: str | None, execution: UUID, attempt: int = 0) -> str:
    """Return the traceparent for a worker that gets an execution or its attempt, and link the poll to it."""
    context = SpanContext.restored(stored)
    if context is None:
        return ""
    context = context.child(span_id_of(execution, attempt))
    span = CURRENT.get()
    if span is not None:
        span.links.append(context)
    return context.traceparent


def holder(identity: Identity) -> str | None:
    """Return the holder of what the call claims: connection and principal; None for a call without a connection."""
    connection = CONNECTION.get()
    return None if connection is None else f"{connection} {identity.principal_type}:{identity.id}"
