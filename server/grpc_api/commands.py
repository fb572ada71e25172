"""The commands of a submission as values: every payload and name checked before anything is decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from core.domain import command as c
from core.domain.fields import free_text, name_field, optional_text
from core.domain.payload import parse_payload
from core.errors import InvalidInput, NotOffered
from proto.flovyn.v1 import workflow_pb2 as pb

_COMMANDS: Mapping[str, Callable[[Any], c.Command]] = {
    "record_operation": lambda data: c.RecordOperation(
        optional_text(data.operation_name, "operation_name"), parse_payload(data.result, "result")
    ),
    "set_state": lambda data: c.SetState(name_field(data.key, "key"), parse_payload(data.value, "value")),
    "clear_state": lambda data: c.ClearState(name_field(data.key, "key")),
    "start_timer": lambda data: c.StartTimer(name_field(data.timer_id, "timer_id"), data.duration_ms),
    "cancel_timer": lambda data: c.CancelTimer(name_field(data.timer_id, "timer_id")),
    "create_promise": lambda data: c.CreatePromise(
        name_field(data.promise_id, "promise_id"), data.timeout_ms if data.HasField("timeout_ms") else None
    ),
    "resolve_promise": lambda data: c.ResolvePromise(
        name_field(data.promise_id, "promise_id"), parse_payload(data.value, "value")
    ),
    "suspend_workflow": lambda data: c.Suspend(free_text(data.reason)),
    "complete_workflow": lambda data: c.Complete(parse_payload(data.output, "output")),
    "fail_workflow": lambda data: c.Fail(
        free_text(data.error), free_text(data.stack_trace), free_text(data.failure_type)
    ),
    "cancel_workflow": lambda data: c.Cancel(free_text(data.reason)),
}


def command_of(message: pb.WorkflowCommand) -> c.Command | None:
    """Return the command; None for the commands without data that some workers send and mean nothing by.

    Where the type and the data disagree, the data counts.

    Raises:
        InvalidInput: a field is not valid, or the command has no data.
    """
    which = message.WhichOneof("command_data")
    if which is None:
        if message.command_type == pb.COMMAND_TYPE_UNSPECIFIED:
            return None
        raise InvalidInput(f"command_data is required for command_type {message.command_type}")
    if which not in _COMMANDS:
        raise NotOffered(f"the command {which} is not offered by this version of the server")
    return _COMMANDS[which](getattr(message, which))
