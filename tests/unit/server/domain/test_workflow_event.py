"""Numbers and sizes of events."""

from __future__ import annotations

from uuid import UUID

from core.payload import Json
from server.domain.timer import LONGEST_DURATION_MS, NewTimer, usable_duration
from server.domain.workflow import WorkflowState, WorkflowStatus, extended
from server.domain.workflow_event import EVENT_OVERHEAD_BYTES, Event, EventType, NewEvent

STATE = WorkflowState(UUID(int=1), UUID(int=2), "k", "q", WorkflowStatus.RUNNING, 7, 7, 0, history_bytes=100)


def test_the_size_of_an_event_counts_bytes() -> None:
    """A character of three bytes counts three times; an event has the same size before and after it has a number."""
    ascii_event = NewEvent(EventType.STATE_SET, Json('"ab"'))
    wide_event = NewEvent(EventType.STATE_SET, Json('"€"'))
    assert ascii_event.size == len("STATE_SET") + 4 + EVENT_OVERHEAD_BYTES
    assert wide_event.size == len("STATE_SET") + 5 + EVENT_OVERHEAD_BYTES
    assert Event(1, "STATE_SET", Json('"€"')).size == wide_event.size


def test_events_extend_a_history_without_gaps() -> None:
    """The state counts the number of the last event, and the bytes of all."""
    new = [NewEvent(EventType.STATE_SET, Json("1")), NewEvent(EventType.STATE_CLEARED, Json("2"))]
    state, events = extended(STATE, new)
    assert [(event.sequence, event.type) for event in events] == [(8, "STATE_SET"), (9, "STATE_CLEARED")]
    assert (state.last_sequence, state.history_bytes) == (9, 100 + sum(event.size for event in new))


def test_no_events_change_nothing() -> None:
    """A submission without commands leaves the history as it is."""
    assert extended(STATE, []) == (STATE, ())


def test_a_duration_is_stored_within_its_bounds() -> None:
    """A negative one is due at once, and a longer one than ``LONGEST_DURATION_MS`` is cut."""
    assert [usable_duration(each) for each in (-1, 0, 5, LONGEST_DURATION_MS + 1)] == [0, 0, 5, LONGEST_DURATION_MS]
    assert NewTimer(UUID(int=1), UUID(int=2), "t", 5).key == (UUID(int=1), UUID(int=2), "t")
