"""Facts about the call that is being served which neither its message nor its principal holds."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from core.auth import Identity

CONNECTION: ContextVar[str | None] = ContextVar("connection", default=None)
"""The caller's connection, such as ``ipv4:10.0.0.1:5000``; the guard sets it."""

CLAIMED: ContextVar[Any] = ContextVar("claimed", default=None)
"""The work that the call's answer carries, for the case that the answer does not reach the caller."""


def holder(identity: Identity) -> str | None:
    """Return connection and principal as one text, or None for a call without a connection."""
    connection = CONNECTION.get()
    return None if connection is None else f"{connection} {identity.principal_type}:{identity.id}"
