"""A signal: a named value for a workflow. The history keeps all of them, in the order in which they came."""

from __future__ import annotations

from core.payload import Json, dump, json_object
from server.domain.workflow_event import EventType, NewEvent

MAX_SIGNALS = 10_000
"""A workflow takes this many."""


def received(name: str, value: Json) -> NewEvent:
    """Return the event of a signal."""
    return NewEvent(EventType.SIGNAL_RECEIVED, json_object(signalName=dump(name), signalValue=value))
