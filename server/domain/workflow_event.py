"""Events of a workflow's history. The server numbers events itself, from 1 without gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.payload import Json


class EventType(StrEnum):
    """The types of events that ``GetEvents`` may return. Workers misread any other type."""

    WORKFLOW_STARTED = "WORKFLOW_STARTED"
    WORKFLOW_COMPLETED = "WORKFLOW_COMPLETED"
    WORKFLOW_EXECUTION_FAILED = "WORKFLOW_EXECUTION_FAILED"
    WORKFLOW_CANCELLED = "WORKFLOW_CANCELLED"
    WORKFLOW_SUSPENDED = "WORKFLOW_SUSPENDED"
    CANCELLATION_REQUESTED = "CANCELLATION_REQUESTED"
    OPERATION_COMPLETED = "OPERATION_COMPLETED"
    STATE_SET = "STATE_SET"
    STATE_CLEARED = "STATE_CLEARED"
    TASK_SCHEDULED = "TASK_SCHEDULED"
    TASK_COMPLETED = "TASK_COMPLETED"
    TASK_FAILED = "TASK_FAILED"
    TASK_CANCELLED = "TASK_CANCELLED"
    TIMER_STARTED = "TIMER_STARTED"
    TIMER_FIRED = "TIMER_FIRED"
    TIMER_CANCELLED = "TIMER_CANCELLED"
    PROMISE_CREATED = "PROMISE_CREATED"
    PROMISE_RESOLVED = "PROMISE_RESOLVED"
    PROMISE_REJECTED = "PROMISE_REJECTED"
    PROMISE_TIMEOUT = "PROMISE_TIMEOUT"
    CHILD_WORKFLOW_INITIATED = "CHILD_WORKFLOW_INITIATED"
    CHILD_WORKFLOW_COMPLETED = "CHILD_WORKFLOW_COMPLETED"
    CHILD_WORKFLOW_FAILED = "CHILD_WORKFLOW_FAILED"
    SIGNAL_RECEIVED = "SIGNAL_RECEIVED"


CODE_EVENTS = frozenset(
    {
        EventType.OPERATION_COMPLETED,
        EventType.STATE_SET,
        EventType.STATE_CLEARED,
        EventType.TASK_SCHEDULED,
        EventType.TIMER_STARTED,
        EventType.TIMER_CANCELLED,
        EventType.PROMISE_CREATED,
        EventType.CHILD_WORKFLOW_INITIATED,
    }
)
"""The events by which the code of a workflow shows that it went on: only commands cause them. A retry keeps the
failures of tasks before the last of them."""

EVENT_OVERHEAD_BYTES = 16
"""The size of an event on the wire beside its type and data, rounded up."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that has no number yet."""

    type: EventType
    data: Json

    @property
    def size(self) -> int:
        """The approximate number of bytes that the event adds to a history."""
        return _size(self.type, self.data)


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a workflow's history."""

    sequence: int
    type: str
    data: Json

    @property
    def size(self) -> int:
        """The approximate number of bytes that the event adds to a history."""
        return _size(self.type, self.data)


@dataclass(frozen=True, slots=True)
class DatedEvent:
    """An event of a history with its time, and with the first 2,048 characters of its data."""

    type: str
    head: str
    created_at: datetime


def _size(event_type: str, data: Json) -> int:
    if data.isascii():  # true for most data; CPython stores this property, so that the check reads no text
        return len(event_type) + len(data) + EVENT_OVERHEAD_BYTES
    return len(event_type) + len(data.encode()) + EVENT_OVERHEAD_BYTES


def numbered(last: int, events: Sequence[NewEvent]) -> tuple[Event, ...]:
    """Return the events with the numbers that follow ``last``."""
    return tuple(Event(last + index, event.type, event.data) for index, event in enumerate(events, 1))
