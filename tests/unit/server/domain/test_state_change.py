"""State changes: the events of a history as streams show them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.payload import Json, dump
from server.domain.state_change import state_change
from server.domain.workflow_event import EventType

HIDDEN = {EventType.WORKFLOW_SUSPENDED, EventType.TASK_CANCELLED, EventType.SIGNAL_RECEIVED}


@pytest.mark.parametrize("event_type", EventType)
def test_every_event_is_shown_or_left_out_on_purpose(event_type: EventType) -> None:
    """A new type of event must be put on one of the two lists."""
    assert (state_change("w", event_type, Json("{}"), 1) is None) == (event_type in HIDDEN)


@pytest.mark.parametrize(
    ("event_type", "data", "name", "snapshot"),
    [
        (
            "TASK_SCHEDULED",
            {"taskExecutionId": "t", "kind": "k", "maxRetries": 3},
            "TASK_CREATED",
            {"id": "t", "kind": "k", "status": "PENDING", "maxRetries": 3},
        ),
        (
            "WORKFLOW_EXECUTION_FAILED",
            {"error": "boom"},
            "WORKFLOW_FAILED",
            {"id": "w", "status": "FAILED", "error": "boom"},
        ),
        ("TIMER_FIRED", {"timerId": "t"}, "TIMER_FIRED", {"timerId": "t"}),
        ("STATE_SET", {"key": "k", "value": [1]}, "STATE_SET", {"key": "k", "value": [1]}),
        (
            "CHILD_WORKFLOW_INITIATED",
            {"childExecutionId": "c", "childWorkflowKind": "k"},
            "CHILD_WORKFLOW_INITIATED",
            {"childWorkflowId": "c", "kind": "k", "status": "PENDING"},
        ),
    ],
)
def test_a_state_change_has_a_name_and_a_snapshot(
    event_type: str, data: dict[str, Any], name: str, snapshot: dict[str, Any]
) -> None:
    """Members of the snapshot without a value are left out."""
    change = state_change("w", event_type, dump(data), 17)
    assert change is not None
    assert json.loads(change) == {"type": "Event", "event": name, "timestampMs": 17, "data": snapshot}


@pytest.mark.parametrize("data", ["", "[1]", "1", "{"])
def test_data_that_cannot_be_read_is_an_empty_snapshot(data: str) -> None:
    """One such event must not end the streams of all subscribers."""
    change = state_change("w", "TIMER_FIRED", Json(data), 1)
    assert change is not None
    assert json.loads(change)["data"] == {}
