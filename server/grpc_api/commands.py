"""The commands of a submission as values. All payloads and names are checked before the engine gets the commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core.errors import InvalidInput
from core.fields import free_text, name_field, optional_text
from core.launchers import DEFAULT_MAX_RETRIES, DEFAULT_QUEUE
from core.limits import MAX_QUEUE
from core.pacing import paced_groups
from core.payload import parse_payload
from proto.flovyn.v1 import workflow_pb2 as pb
from server.domain.submission import Command
from server.domain.task import usable_timeout
from server.engine.submission import children, endings, operations, promises, tasks, timers
from server.grpc_api.conversions import key_field, uuid_field

COMMAND_COST = 128
"""Bytes that take as long to read as an empty command."""


def _schedule_task(data: pb.ScheduleTaskCommand) -> tasks.ScheduleTask:
    max_retries = data.max_retries if data.HasField("max_retries") else DEFAULT_MAX_RETRIES
    if max_retries < 0:
        raise InvalidInput(f"max_retries is {max_retries}; it must be 0 or more")
    return tasks.ScheduleTask(
        task_id=uuid_field(data.task_execution_id, "task_execution_id"),
        kind=name_field(data.kind, "kind"),
        input=parse_payload(data.input, "input"),
        queue=name_field(data.queue, "queue", MAX_QUEUE) if data.queue else None,
        max_retries=max_retries,
        timeout_ms=usable_timeout(data.timeout_ms),
        priority_seconds=data.priority_seconds,
        key=key_field(data),
    )


def _schedule_child(data: pb.ScheduleChildWorkflowCommand) -> children.ScheduleChild:
    if not data.workflow_kind and not data.workflow_definition_id:
        raise InvalidInput("workflow_kind is required to schedule a child workflow")
    return children.ScheduleChild(
        child_id=uuid_field(data.child_workflow_execution_id, "child_workflow_execution_id"),
        name=optional_text(data.child_execution_name, "child_execution_name"),
        kind=name_field(data.workflow_kind, "workflow_kind") if data.workflow_kind else None,
        input=parse_payload(data.input, "input"),
        queue=inherited_queue(data.queue),
        priority_seconds=data.priority_seconds,
    )


def inherited_queue(queue: str) -> str | None:
    """Return the queue of a child; None for an empty and the default queue, which mean the parent's queue."""
    return None if queue in {"", DEFAULT_QUEUE} else name_field(queue, "queue", MAX_QUEUE)


def _cancel_child(data: pb.RequestCancelChildWorkflowCommand) -> children.CancelChild:
    named = data.child_workflow_execution_id
    return children.CancelChild(
        child_id=uuid_field(named, "child_workflow_execution_id") if named else None,
        name=optional_text(data.child_execution_name, "child_execution_name"),
        reason=free_text(data.reason),
    )


_COMMANDS: Mapping[str, Callable[[Any], Command]] = {
    "record_operation": lambda data: operations.RecordOperation(
        optional_text(data.operation_name, "operation_name"), parse_payload(data.result, "result")
    ),
    "set_state": lambda data: operations.SetState(name_field(data.key, "key"), parse_payload(data.value, "value")),
    "clear_state": lambda data: operations.ClearState(name_field(data.key, "key")),
    "start_timer": lambda data: timers.StartTimer(name_field(data.timer_id, "timer_id"), data.duration_ms),
    "cancel_timer": lambda data: timers.CancelTimer(name_field(data.timer_id, "timer_id")),
    "create_promise": lambda data: promises.CreatePromise(
        name_field(data.promise_id, "promise_id"),
        data.timeout_ms if data.HasField("timeout_ms") else None,
        key_field(data),
    ),
    "resolve_promise": lambda data: promises.ResolvePromiseCommand(
        name_field(data.promise_id, "promise_id"), parse_payload(data.value, "value")
    ),
    "schedule_task": _schedule_task,
    "schedule_child_workflow": _schedule_child,
    "request_cancel_child_workflow": _cancel_child,
    "suspend_workflow": lambda data: operations.Suspend(free_text(data.reason)),
    "complete_workflow": lambda data: endings.Complete(parse_payload(data.output, "output")),
    "fail_workflow": lambda data: endings.Fail(
        free_text(data.error), free_text(data.stack_trace), free_text(data.failure_type)
    ),
    "cancel_workflow": lambda data: endings.Cancel(free_text(data.reason)),
}


async def commands_of(messages: Sequence[pb.WorkflowCommand]) -> list[Command]:
    """Return the commands of a submission, without empty ones; many or large commands are read in turns.

    Raises:
        InvalidInput: as ``command_of``.
    """
    groups = await paced_groups(messages, lambda message: message.ByteSize() + COMMAND_COST, _read)
    return [command for group in groups for command in group]


def _read(messages: Sequence[pb.WorkflowCommand]) -> list[Command]:
    return [command for each in messages if (command := command_of(each)) is not None]


def command_of(message: pb.WorkflowCommand) -> Command | None:
    """Return the command; None for the commands without data that some workers send and mean nothing by.

    The data counts where it contradicts the type.

    Raises:
        InvalidInput: a field is not valid, or the command has no data.
    """
    which = message.WhichOneof("command_data")
    if which is None:
        if message.command_type == pb.COMMAND_TYPE_UNSPECIFIED:
            return None
        raise InvalidInput(f"command_data is required for command_type {message.command_type}")
    return _COMMANDS[which](getattr(message, which))
