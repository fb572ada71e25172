"""The calls of flovyn.v1 in a few words, so that tests of the engine read as what happens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc
import pytest

from proto.flovyn.v1 import workflow_pb2 as pb
from tests.support import calls
from tests.support.running import TENANT, Client, Connection

DEADLINE_S = 10.0
"""A wait fails after this time."""

RUNNING = pb.WORKFLOW_STATUS_RUNNING
SUSPENDED = pb.WORKFLOW_STATUS_SUSPENDED
COMPLETED = pb.WORKFLOW_STATUS_COMPLETED
FAILED = pb.WORKFLOW_STATUS_FAILED

Found = TypeVar("Found")

Happened = tuple[int, str, Any]
"""An event: number, type, data."""


class Calls:
    """A client and a worker of one server; calls go over ``connection``, or over the client's own."""

    def __init__(self, client: Client, connection: Connection | None = None) -> None:
        self.client = client
        self.connection = connection or client
        self.dispatch = self.connection.dispatch

    async def start(self, data: bytes = b"null", **fields: Any) -> str:
        """Start a workflow of kind ``k`` and return its id."""
        return await calls.start(self.connection, input=data, **fields)

    async def poll(self, queue: str = "", **fields: Any) -> pb.WorkflowExecution | None:
        """Ask for a workflow once; None when there was none."""
        return await calls.poll(self.connection, queue, **fields)

    async def claim(self, queue: str = "") -> pb.WorkflowExecution:
        """Wait for a workflow."""
        found = await self.until(lambda: self.poll(queue), lambda execution: execution is not None)
        assert found is not None
        return found

    async def activation(self, queue: str = "") -> str:
        """Wait for a workflow and read its history, as workers do in every activation; return its id."""
        workflow_id = (await self.claim(queue)).id
        await self.events(workflow_id)
        return str(workflow_id)

    async def claim_pending(self, queue: str = "") -> None:
        """Claim every workflow of a queue that is pending now."""
        while await self.poll(queue) is not None:
            pass

    async def submit(self, workflow_id: str, *commands: pb.WorkflowCommand, status: Any = SUSPENDED) -> None:
        """Submit an activation's commands, numbered from 1 as some workers do."""
        for index, command in enumerate(commands, 1):
            command.sequence_number = index
        await calls.submit(self.connection, workflow_id, *commands, status=status)

    async def step(self, *commands: pb.WorkflowCommand, queue: str = "", status: Any = SUSPENDED) -> str:
        """Carry out one activation of the next workflow, and return its id."""
        workflow_id = await self.activation(queue)
        await self.submit(workflow_id, *commands, status=status)
        return workflow_id

    async def events(self, workflow_id: str) -> list[Happened]:
        """Return the history."""
        return await calls.events(self.connection, workflow_id)

    async def types(self, workflow_id: str) -> list[str]:
        """Return the types of the history's events, whose numbers must be 1..n."""
        events = await self.events(workflow_id)
        assert [number for number, _, _ in events] == list(range(1, len(events) + 1))
        return [event_type for _, event_type, _ in events]

    async def until_event(self, workflow_id: str, event_type: str, count: int = 1) -> list[Happened]:
        """Wait until the history holds ``count`` events of the type, and return it."""
        return await self.until(
            lambda: self.events(workflow_id),
            lambda events: sum(each[1] == event_type for each in events) >= count,
        )

    async def until(self, look: Callable[[], Awaitable[Found]], is_it: Callable[[Found], bool]) -> Found:
        """See ``until``."""
        return await until(look, is_it)

    async def row(self, statement: str, *parameters: Any) -> Any:
        """Return the first row of a query."""
        async with self.client.pool.connection() as connection:
            return await (await connection.execute(statement, parameters)).fetchone()

    async def status(self, workflow_id: str) -> str:
        """Return a workflow's stored status."""
        return str((await self.row("SELECT status FROM workflow_execution WHERE id = %s", workflow_id))[0])


async def until(look: Callable[[], Awaitable[Found]], is_it: Callable[[Found], bool]) -> Found:
    """Look again and again until ``is_it`` accepts the result; every look is a call, so that others get their turn."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            found = await look()
            if is_it(found):
                return found


async def refusal(call: Awaitable[Any]) -> tuple[grpc.StatusCode, str]:
    """Return code and text of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


def complete(output: bytes = b"null") -> pb.WorkflowCommand:
    """CompleteWorkflow."""
    return pb.WorkflowCommand(complete_workflow=pb.CompleteWorkflowCommand(output=output))


def fail(error: str = "boom", failure_type: str = "ERROR") -> pb.WorkflowCommand:
    """FailWorkflow."""
    return pb.WorkflowCommand(fail_workflow=pb.FailWorkflowCommand(error=error, failure_type=failure_type))


def operation(name: str = "op", result: bytes = b"null") -> pb.WorkflowCommand:
    """RecordOperation."""
    return pb.WorkflowCommand(record_operation=pb.RecordOperationCommand(operation_name=name, result=result))


def start_timer(timer_id: str, duration_ms: int) -> pb.WorkflowCommand:
    """StartTimer."""
    return pb.WorkflowCommand(start_timer=pb.StartTimerCommand(timer_id=timer_id, duration_ms=duration_ms))


def cancel_timer(timer_id: str) -> pb.WorkflowCommand:
    """CancelTimer."""
    return pb.WorkflowCommand(cancel_timer=pb.CancelTimerCommand(timer_id=timer_id))


def create_promise(name: str, **fields: Any) -> pb.WorkflowCommand:
    """CreatePromise."""
    return pb.WorkflowCommand(create_promise=pb.CreatePromiseCommand(promise_id=name, **fields))


def resolve_promise(reference: str, value: bytes = b"null") -> pb.WorkflowCommand:
    """ResolvePromise, as a command."""
    return pb.WorkflowCommand(resolve_promise=pb.ResolvePromiseCommand(promise_id=reference, value=value))


def schedule_task(task_id: str, kind: str = "t", data: bytes = b"null", **fields: Any) -> pb.WorkflowCommand:
    """ScheduleTask."""
    return pb.WorkflowCommand(
        schedule_task=pb.ScheduleTaskCommand(task_execution_id=task_id, kind=kind, input=data, **fields)
    )


def schedule_child(
    child_id: str, name: str = "c1", kind: str = "child", data: bytes = b"{}", **fields: Any
) -> pb.WorkflowCommand:
    """ScheduleChildWorkflow."""
    return pb.WorkflowCommand(
        schedule_child_workflow=pb.ScheduleChildWorkflowCommand(
            child_workflow_execution_id=child_id, child_execution_name=name, workflow_kind=kind, input=data, **fields
        )
    )


def cancel_child(child_id: str = "", name: str = "", reason: str = "") -> pb.WorkflowCommand:
    """RequestCancelChildWorkflow."""
    return pb.WorkflowCommand(
        request_cancel_child_workflow=pb.RequestCancelChildWorkflowCommand(
            child_workflow_execution_id=child_id, child_execution_name=name, reason=reason
        )
    )


def send_signal(workflow_id: str, name: str = "message", value: bytes = b"null") -> pb.SignalWorkflowRequest:
    """SignalWorkflow."""
    return pb.SignalWorkflowRequest(
        tenant_id=str(TENANT), workflow_execution_id=workflow_id, signal_name=name, signal_value=value
    )


def signal_with_start(workflow_id: str, name: str = "message", **fields: Any) -> pb.SignalWithStartWorkflowRequest:
    """SignalWithStartWorkflow."""
    given = {"tenant_id": str(TENANT), "workflow_id": workflow_id, "workflow_kind": "k", "signal_name": name}
    return pb.SignalWithStartWorkflowRequest(**{**given, **fields})
