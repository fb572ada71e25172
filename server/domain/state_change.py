"""State changes: events of a history as a stream shows them, each with a name and a snapshot of the changed entity."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from core.errors import InvalidInput
from core.json_text import members
from core.payload import NULL, Json, dump, json_object, readable

Members = Mapping[str, Json]
_Snapshot = Callable[[str, Members], Mapping[str, Json | None]]


def _task(status: str) -> _Snapshot:
    return lambda _workflow_id, data: {
        "id": data.get("taskExecutionId"),
        "kind": data.get("kind"),
        "status": dump(status),
        "maxRetries": data.get("maxRetries"),
        "error": data.get("error"),
    }


def _workflow(status: str) -> _Snapshot:
    return lambda workflow_id, data: {
        "id": dump(workflow_id),
        "kind": data.get("workflowKind"),
        "status": dump(status),
        "error": data.get("error"),
        "parentWorkflowExecutionId": data.get("parentWorkflowExecutionId"),
    }


def _timer(_workflow_id: str, data: Members) -> Mapping[str, Json | None]:
    return {"timerId": data.get("timerId")}


def _promise(_workflow_id: str, data: Members) -> Mapping[str, Json | None]:
    return {"promiseId": data.get("promiseId"), "result": data.get("value"), "error": data.get("error")}


def _child(status: str | None) -> _Snapshot:
    return lambda _workflow_id, data: {
        "childWorkflowId": data.get("childExecutionId"),
        "kind": data.get("childWorkflowKind"),
        "status": dump(status),
        "error": data.get("error"),
    }


def _operation(_workflow_id: str, data: Members) -> Mapping[str, Json | None]:
    return {"operationId": data.get("operationName"), "result": data.get("result")}


def _state(_workflow_id: str, data: Members) -> Mapping[str, Json | None]:
    return {"key": data.get("key"), "value": data.get("value")}


def _cancellation(workflow_id: str, data: Members) -> Mapping[str, Json | None]:
    return {"workflowExecutionId": dump(workflow_id), "reason": data.get("reason")}


_SHOWN: Mapping[str, tuple[str, _Snapshot]] = {
    "WORKFLOW_STARTED": ("WORKFLOW_STARTED", _workflow("PENDING")),
    "WORKFLOW_COMPLETED": ("WORKFLOW_COMPLETED", _workflow("COMPLETED")),
    "WORKFLOW_EXECUTION_FAILED": ("WORKFLOW_FAILED", _workflow("FAILED")),
    "WORKFLOW_CANCELLED": ("WORKFLOW_CANCELLED", _workflow("CANCELLED")),
    "CANCELLATION_REQUESTED": ("CANCELLATION_REQUESTED", _cancellation),
    "TASK_SCHEDULED": ("TASK_CREATED", _task("PENDING")),
    "TASK_COMPLETED": ("TASK_COMPLETED", _task("COMPLETED")),
    "TASK_FAILED": ("TASK_FAILED", _task("FAILED")),
    "TIMER_STARTED": ("TIMER_STARTED", _timer),
    "TIMER_FIRED": ("TIMER_FIRED", _timer),
    "TIMER_CANCELLED": ("TIMER_CANCELLED", _timer),
    "PROMISE_CREATED": ("PROMISE_CREATED", _promise),
    "PROMISE_RESOLVED": ("PROMISE_RESOLVED", _promise),
    "PROMISE_REJECTED": ("PROMISE_REJECTED", _promise),
    "PROMISE_TIMEOUT": ("PROMISE_TIMEOUT", _promise),
    "CHILD_WORKFLOW_INITIATED": ("CHILD_WORKFLOW_INITIATED", _child("PENDING")),
    "CHILD_WORKFLOW_COMPLETED": ("CHILD_WORKFLOW_COMPLETED", _child("COMPLETED")),
    "CHILD_WORKFLOW_FAILED": ("CHILD_WORKFLOW_FAILED", _child("FAILED")),
    "OPERATION_COMPLETED": ("OPERATION_COMPLETED", _operation),
    "STATE_SET": ("STATE_SET", _state),
    "STATE_CLEARED": ("STATE_CLEARED", _state),
}
"""Name and snapshot of each event type that streams show.

Suspensions are left out: only some workers report them, and no event tells that a workflow goes on.
"""


def state_change(workflow_id: str, event_type: str, data: Json, timestamp_ms: int) -> Json | None:
    """Return the state change of an event as JSON; None for an event type that streams do not show."""
    if event_type not in _SHOWN:
        return None
    name, snapshot = _SHOWN[event_type]
    return body(name, snapshot(workflow_id, _members(data)), timestamp_ms)


def body(name: str, snapshot: Mapping[str, Json | None], timestamp_ms: int) -> Json:
    """Return the JSON of a state change; members of the snapshot without a value are left out."""
    present = json_object(**{key: value for key, value in snapshot.items() if value != NULL})
    return json_object(type=dump("Event"), event=dump(name), timestampMs=dump(timestamp_ms), data=present)


def _members(data: Json) -> Members:
    """Return the members of an event's data; no members for data that is not a JSON object that can be read."""
    try:
        return members(readable(data))
    except (ValueError, RecursionError, InvalidInput):
        return {}
