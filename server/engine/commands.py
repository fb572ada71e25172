"""What each command of a worker turns into: the table from command to events.

A submission is validated whole before anything is written. Commands that this version of the
server does not carry out are refused by name rather than dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from core.domain.payload import NULL, Json, dump, json_object
from core.domain.workflow import Ending, EventType, NewEvent, Outcome, RunStatus, Submission


@dataclass(frozen=True, slots=True)
class RecordOperation:
    """The result of a side effect inside the workflow's code."""

    name: str
    result: Json


@dataclass(frozen=True, slots=True)
class SetState:
    """A key of the workflow's state gets a value."""

    key: str
    value: Json


@dataclass(frozen=True, slots=True)
class ClearState:
    """A key of the workflow's state goes."""

    key: str


@dataclass(frozen=True, slots=True)
class Suspend:
    """The activation waits for something outside; informational."""

    reason: str


@dataclass(frozen=True, slots=True)
class Complete:
    """The workflow returned."""

    output: Json


@dataclass(frozen=True, slots=True)
class Fail:
    """The workflow raised."""

    error: str
    stack_trace: str
    failure_type: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """The workflow ends itself as cancelled."""

    reason: str


Command = RecordOperation | SetState | ClearState | Suspend | Complete | Fail | Cancel


def submission(tenant_id: UUID, run_id: UUID, commands: Sequence[Command], outcome: Outcome) -> Submission:
    """Turn a worker's commands into a submission. What follows the first terminal command is ignored."""
    events: list[NewEvent] = []
    for command in commands:
        if isinstance(command, Complete | Fail | Cancel):
            return Submission(tenant_id, run_id, tuple(events), outcome, _ENDINGS[type(command)](command))
        events.append(_EVENTS[type(command)](command))
    return Submission(tenant_id, run_id, tuple(events), outcome)


def completed(output: Json) -> Ending:
    """Return the ending of a workflow that returned ``output``."""
    event = NewEvent(EventType.WORKFLOW_COMPLETED, json_object(output=output))
    return Ending(RunStatus.COMPLETED, event, output=output)


def failed(error: str, stack_trace: str, failure_type: str) -> Ending:
    """Return the ending of a workflow that failed."""
    data = json_object(error=dump(error), stackTrace=dump(stack_trace), failureType=dump(failure_type))
    return Ending(RunStatus.FAILED, NewEvent(EventType.WORKFLOW_EXECUTION_FAILED, data), error=error)


def cancelled(reason: str) -> Ending:
    """Return the ending of a workflow that was cancelled."""
    event = NewEvent(EventType.WORKFLOW_CANCELLED, json_object(reason=dump(reason)))
    return Ending(RunStatus.CANCELLED, event, error=reason)


ENDINGS_WITHOUT_COMMAND: Mapping[Outcome, Ending] = {
    Outcome.COMPLETED: completed(NULL),
    Outcome.FAILED: failed("the worker reported a failure without saying which", "", "UNKNOWN"),
    Outcome.CANCELLED: cancelled("the worker reported a cancellation"),
}
"""The outcome decides; where its command is missing, the event is made up."""

_EVENTS: Mapping[type, Callable[..., NewEvent]] = {
    RecordOperation: lambda command: NewEvent(
        EventType.OPERATION_COMPLETED, json_object(operationName=dump(command.name), result=command.result)
    ),
    SetState: lambda command: NewEvent(EventType.STATE_SET, json_object(key=dump(command.key), value=command.value)),
    ClearState: lambda command: NewEvent(EventType.STATE_CLEARED, json_object(key=dump(command.key))),
    Suspend: lambda command: NewEvent(EventType.WORKFLOW_SUSPENDED, json_object(reason=dump(command.reason))),
}

_ENDINGS: Mapping[type, Callable[..., Ending]] = {
    Complete: lambda command: completed(command.output),
    Fail: lambda command: failed(command.error, command.stack_trace, command.failure_type),
    Cancel: lambda command: cancelled(command.reason),
}
