"""The commands that end a workflow, and the terminal events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from core.payload import NULL, Json, dump, json_object
from server.domain.submission import Command, Ending, SubmissionOutcome
from server.domain.workflow import WorkflowStatus
from server.domain.workflow_event import EventType, NewEvent


@dataclass(frozen=True, slots=True)
class Complete(Command):
    """Complete the workflow."""

    output: Json


@dataclass(frozen=True, slots=True)
class Fail(Command):
    """Fail the workflow."""

    error: str
    stack_trace: str
    failure_type: str


@dataclass(frozen=True, slots=True)
class Cancel(Command):
    """End the workflow as cancelled."""

    reason: str


def completed(output: Json) -> Ending:
    """Return the end of a workflow that returned ``output``."""
    event = NewEvent(EventType.WORKFLOW_COMPLETED, json_object(output=output))
    return Ending(WorkflowStatus.COMPLETED, event, output=output)


def failed(error: str, stack_trace: str, failure_type: str) -> Ending:
    """Return the end of a workflow that failed."""
    data = json_object(error=dump(error), stackTrace=dump(stack_trace), failureType=dump(failure_type))
    return Ending(WorkflowStatus.FAILED, NewEvent(EventType.WORKFLOW_EXECUTION_FAILED, data), error=error)


def cancelled(reason: str) -> Ending:
    """Return the end of a workflow that was cancelled."""
    event = NewEvent(EventType.WORKFLOW_CANCELLED, json_object(reason=dump(reason)))
    return Ending(WorkflowStatus.CANCELLED, event, error=reason)


ENDINGS: Mapping[type[Command], Callable[[Any], Ending]] = {
    Complete: lambda command: completed(command.output),
    Fail: lambda command: failed(command.error, command.stack_trace, command.failure_type),
    Cancel: lambda command: cancelled(command.reason),
}

WITHOUT_COMMAND: Mapping[SubmissionOutcome, Ending] = {
    SubmissionOutcome.COMPLETED: completed(NULL),
    SubmissionOutcome.FAILED: failed("the worker reported a failure without an error", "", "UNKNOWN"),
    SubmissionOutcome.CANCELLED: cancelled("the worker reported a cancellation"),
}
"""The end of a workflow whose submission has this outcome and no command for it: the outcome decides."""
