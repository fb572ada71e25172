"""Replays workflow code against a history, the way workers do: by position for what the code begins, by id for its ends.

Workflow code is a coroutine function of a ``Context`` and the input. What it awaits is either in the history, or
suspends the whole activation; so code must be deterministic. No event loop is involved.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

from proto.flovyn.v1 import workflow_pb2 as pb
from tests.support.styles import Style

Event = tuple[str, Any]
"""Type and data."""

Workflow = Callable[["Context", Any], Coroutine["Pending", None, Any]]


class Failed(Exception):
    """Raised in workflow code when a task, a child or a promise failed; its text is the error."""


class TimedOut(Failed):
    """A promise that was not settled in time."""


class DeterminismViolation(Exception):
    """The code does something else than the history says that it did."""


@dataclass
class Pending:
    """Something that the code may await; ``ending`` is in the history, or not yet."""

    id: str
    ending: Event | None = None

    def __await__(self) -> Generator[Pending, None, Any]:
        """Return the result, or raise what it failed with; without an ending the activation is over."""
        if self.ending is None:
            yield self
        assert self.ending is not None
        return _result(*self.ending)


def _result(event_type: str, data: Any) -> Any:
    if event_type == "PROMISE_TIMEOUT":
        raise TimedOut(f"promise {data['promiseId']} timed out")
    if event_type in ("TASK_FAILED", "CHILD_WORKFLOW_FAILED", "PROMISE_REJECTED"):
        raise Failed(data["error"])
    if event_type == "TIMER_CANCELLED":
        raise Failed("timer cancelled")
    return data.get("output", data.get("value"))


_OPENINGS = ("TASK_SCHEDULED", "TIMER_STARTED", "PROMISE_CREATED", "CHILD_WORKFLOW_INITIATED", "OPERATION_COMPLETED")
_ENDINGS = {
    "TASK_COMPLETED": "taskExecutionId",
    "TASK_FAILED": "taskExecutionId",
    "TIMER_FIRED": "timerId",
    "PROMISE_RESOLVED": "promiseId",
    "PROMISE_REJECTED": "promiseId",
    "PROMISE_TIMEOUT": "promiseId",
    "CHILD_WORKFLOW_COMPLETED": "childExecutionName",
    "CHILD_WORKFLOW_FAILED": "childExecutionName",
}
_OTHERS = frozenset(
    {"WORKFLOW_STARTED", "WORKFLOW_COMPLETED", "WORKFLOW_EXECUTION_FAILED", "WORKFLOW_SUSPENDED", "SIGNAL_RECEIVED"}
    | {"STATE_SET", "STATE_CLEARED", "TASK_CANCELLED", "TIMER_CANCELLED", "CHILD_WORKFLOW_STARTED"}
    | {"CHILD_WORKFLOW_CANCELLED", "CANCELLATION_REQUESTED"}
)


@dataclass
class Recorded:
    """A history as replay reads it."""

    begun: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    ended: dict[str, Event] = field(default_factory=dict)
    signals: dict[str, deque[Any]] = field(default_factory=lambda: defaultdict(deque))
    cancelled_timers: set[str] = field(default_factory=set)
    state_changes: int = 0

    @classmethod
    def read(cls, history: Sequence[Event], style: Style) -> Recorded:
        """Sort the events; those that this worker does not know become what it takes them for."""
        recorded = cls()
        for event_type, data in history:
            recorded._take(event_type, data, style)
        return recorded

    def _take(self, event_type: str, data: Any, style: Style) -> None:
        if event_type not in _OTHERS and event_type not in _OPENINGS and event_type not in _ENDINGS:
            event_type = style.unknown_event_is
        if event_type in _OPENINGS:
            self.begun[event_type].append(data)
        elif event_type in _ENDINGS:
            self.ended[data[_ENDINGS[event_type]]] = (event_type, data)
        elif event_type == "SIGNAL_RECEIVED":
            self.signals[data["signalName"]].append(data["signalValue"])
        elif event_type == "TIMER_CANCELLED":
            self.cancelled_timers.add(data["timerId"])
            if style.cancelled_timers_end:
                self.ended[data["timerId"]] = (event_type, data)
        elif event_type in ("STATE_SET", "STATE_CLEARED"):
            self.state_changes += 1


class Context:
    """The calls that workflow code may make. Everything new becomes a command, in the order of the code."""

    def __init__(self, workflow_id: str, history: Sequence[Event], style: Style) -> None:
        self._workflow_id = workflow_id
        self._style = style
        self._recorded = Recorded.read(history, style)
        self._used: dict[str, int] = defaultdict(int)
        self._generated = 0
        self.commands: list[pb.WorkflowCommand] = []

    def task(self, kind: str, data: Any = None, **fields: Any) -> Pending:
        """Schedule a task; await it for its output."""
        task_id = self.uuid()
        recorded = self._next("TASK_SCHEDULED", "kind", kind)
        if recorded is None:
            command = pb.ScheduleTaskCommand(kind=kind, input=_json(data), task_execution_id=task_id, **fields)
            self._do("schedule_task", command)
        return self._pending(task_id if recorded is None else recorded["taskExecutionId"])

    def timer(self, duration_ms: int) -> Pending:
        """Start a timer; await it until it fires."""
        timer_id = self._style.timer_id(self._used["TIMER_STARTED"])
        if self._next("TIMER_STARTED", "timerId", timer_id) is None:
            command = pb.StartTimerCommand(timer_id=timer_id, duration_ms=duration_ms)
            self._do("start_timer", command)
        return self._pending(timer_id)

    def cancel_timer(self, timer: Pending) -> None:
        """Cancel a timer that has neither fired nor been cancelled."""
        if timer.id not in self._recorded.ended and timer.id not in self._recorded.cancelled_timers:
            self._do("cancel_timer", pb.CancelTimerCommand(timer_id=timer.id))

    def promise(self, name: str, **fields: Any) -> Pending:
        """Create a promise; await it for the value with which it is settled."""
        recorded = self._next("PROMISE_CREATED", "promiseName", name)
        if recorded is None:
            self._do("create_promise", pb.CreatePromiseCommand(promise_id=name, **fields))
        return self._pending("" if recorded is None else recorded["promiseId"])

    def child(self, name: str, kind: str, data: Any = None, **fields: Any) -> Pending:
        """Start a child workflow; await it for its output."""
        child_id = self.uuid()
        if self._next("CHILD_WORKFLOW_INITIATED", "childExecutionName", name) is None:
            command = pb.ScheduleChildWorkflowCommand(
                child_execution_name=name,
                workflow_kind=kind,
                child_workflow_execution_id=child_id,
                input=_json(data),
                **fields,
            )
            self._do("schedule_child_workflow", command)
        return self._pending(name)

    def signal(self, name: str) -> Pending:
        """Return the next signal of that name; await it for its value."""
        queue = self._recorded.signals[name]
        return Pending(name, ("SIGNAL_RECEIVED", {"value": queue.popleft()}) if queue else None)

    def operation(self, name: str, work: Callable[[], Any]) -> Any:
        """Return the result of a side effect, which is run once and recorded."""
        recorded = self._next("OPERATION_COMPLETED", "operationName", name)
        if recorded is not None:
            return recorded["result"]
        result = work()
        self._do("record_operation", pb.RecordOperationCommand(operation_name=name, result=_json(result)))
        return result

    def set_state(self, key: str, value: Any) -> None:
        """Set a key of the workflow's state."""
        if self._is_new_state_change():
            self._do("set_state", pb.SetStateCommand(key=key, value=_json(value)))

    def clear_state(self, key: str) -> None:
        """Clear a key; some workers send this again in every activation."""
        if self._is_new_state_change() or self._style.repeats_clears:
            self._do("clear_state", pb.ClearStateCommand(key=key))

    def uuid(self) -> str:
        """Return the next of the workflow's deterministic ids, which are the same in every replay."""
        made = uuid5(UUID(self._workflow_id), f"{self._workflow_id}:{self._generated}")
        self._generated += 1
        return str(made)

    def _do(self, name: str, command: Any) -> None:
        self.commands.append(command_of(name, command))

    def _is_new_state_change(self) -> bool:
        self._used["state"] += 1
        return self._used["state"] > self._recorded.state_changes

    def _next(self, event_type: str, key: str, expected: str) -> Mapping[str, Any] | None:
        """Return the data of the n-th such event for the n-th such call, or None when this one is new."""
        index = self._used[event_type]
        self._used[event_type] += 1
        begun = self._recorded.begun[event_type]
        if index >= len(begun):
            return None
        if begun[index].get(key) != expected:
            raise DeterminismViolation(f"{event_type} number {index}: {begun[index].get(key)!r} is not {expected!r}")
        found: Mapping[str, Any] = begun[index]
        return found

    def _pending(self, ident: str) -> Pending:
        return Pending(ident, self._recorded.ended.get(ident))


def command_of(name: str, command: Any) -> pb.WorkflowCommand:
    """Return the envelope of a command, by the name of its field."""
    return pb.WorkflowCommand(command_type=f"COMMAND_TYPE_{name.upper()}", **{name: command})


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
