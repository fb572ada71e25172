"""How workflows end: the terminal events, with the words that clients wait for."""

from __future__ import annotations

from collections.abc import Mapping

from core.payload import NULL, Json, dump, json_object
from server.domain.submission import Ending, SubmissionOutcome
from server.domain.workflow import WorkflowStatus
from server.domain.workflow_event import EventType, NewEvent


def completed(output: Json) -> Ending:
    """Return the ending of a workflow that returned ``output``."""
    event = NewEvent(EventType.WORKFLOW_COMPLETED, json_object(output=output))
    return Ending(WorkflowStatus.COMPLETED, event, output=output)


def failed(error: str, stack_trace: str, failure_type: str) -> Ending:
    """Return the ending of a workflow that failed."""
    data = json_object(error=dump(error), stackTrace=dump(stack_trace), failureType=dump(failure_type))
    return Ending(WorkflowStatus.FAILED, NewEvent(EventType.WORKFLOW_EXECUTION_FAILED, data), error=error)


def cancelled(reason: str) -> Ending:
    """Return the ending of a workflow that was cancelled."""
    event = NewEvent(EventType.WORKFLOW_CANCELLED, json_object(reason=dump(reason)))
    return Ending(WorkflowStatus.CANCELLED, event, error=reason)


WITHOUT_COMMAND: Mapping[SubmissionOutcome, Ending] = {
    SubmissionOutcome.COMPLETED: completed(NULL),
    SubmissionOutcome.FAILED: failed("the worker reported a failure without saying which", "", "UNKNOWN"),
    SubmissionOutcome.CANCELLED: cancelled("the worker reported a cancellation"),
}
"""The outcome decides; where its command is missing, the event is made up."""
