"""Calls of flovyn.v1 as short functions: what most tests say to a server. See ``tests.support.running``."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from typing import Any

import grpc
import pytest

from proto.flovyn.v1 import task_pb2, workflow_pb2
from tests.support.running import Client, Connection


async def start(client: Connection, kind: str = "k", data: object = None, **fields: Any) -> str:
    """Start a workflow; return its id."""
    request = workflow_pb2.StartWorkflowRequest(
        **{"tenant_id": client.tenant_id, "workflow_kind": kind, "input": json.dumps(data).encode(), **fields}
    )
    answer = await client.dispatch.StartWorkflow(request, metadata=client.metadata)
    return str(answer.workflow_execution_id)


async def poll(client: Connection, queue: str = "", **fields: Any) -> workflow_pb2.WorkflowExecution | None:
    """Poll once for a workflow."""
    request = workflow_pb2.PollRequest(**{"worker_id": "w", "tenant_id": client.tenant_id, "queue": queue, **fields})
    answer = await client.dispatch.PollWorkflow(request, metadata=client.metadata)
    return answer.workflow_execution if answer.HasField("workflow_execution") else None


async def submit(client: Connection, workflow_id: str, *commands: workflow_pb2.WorkflowCommand, status: Any) -> None:
    """Submit what an activation came to."""
    request = workflow_pb2.SubmitWorkflowCommandsRequest(
        workflow_execution_id=workflow_id, commands=commands, status=status
    )
    await client.dispatch.SubmitWorkflowCommands(request, metadata=client.metadata)


async def signal(client: Connection, workflow_id: str, name: str = "s", value: bytes = b"null") -> None:
    """Send a signal to a workflow."""
    request = workflow_pb2.SignalWorkflowRequest(
        tenant_id=client.tenant_id, workflow_execution_id=workflow_id, signal_name=name, signal_value=value
    )
    await client.dispatch.SignalWorkflow(request, metadata=client.metadata)


async def events(client: Connection, workflow_id: str) -> list[tuple[int, str, Any]]:
    """Return a workflow's history as number, type and data."""
    request = workflow_pb2.GetEventsRequest(workflow_execution_id=workflow_id)
    answer = await client.dispatch.GetEvents(request, metadata=client.metadata)
    return [(each.sequence_number, each.event_type, json.loads(each.event_data)) for each in answer.events]


async def submit_task(client: Connection, kind: str = "k", data: object = None, **fields: Any) -> str:
    """Create a standalone task; return its id."""
    request = task_pb2.SubmitTaskRequest(
        **{"tenant_id": client.tenant_id, "kind": kind, "input": json.dumps(data).encode(), **fields}
    )
    answer = await client.tasks.SubmitTask(request, metadata=client.metadata)
    return str(answer.task_execution_id)


async def poll_task(client: Connection, queue: str = "", **fields: Any) -> task_pb2.TaskExecutionInfo | None:
    """Poll once for a task."""
    request = task_pb2.PollTaskRequest(**{"worker_id": "w", "tenant_id": client.tenant_id, "queue": queue, **fields})
    answer = await client.tasks.PollTask(request, metadata=client.metadata)
    return answer.task if answer.HasField("task") else None


async def complete_task(client: Connection, task_id: str, output: object = None) -> None:
    """Complete a task."""
    request = task_pb2.CompleteTaskRequest(task_execution_id=task_id, output=json.dumps(output).encode())
    await client.tasks.CompleteTask(request, metadata=client.metadata)


async def fail_task(client: Connection, task_id: str, error: str = "boom") -> None:
    """Fail an attempt at a task."""
    request = task_pb2.FailTaskRequest(task_execution_id=task_id, error=error)
    await client.tasks.FailTask(request, metadata=client.metadata)


async def status_of(call: Awaitable[Any]) -> tuple[grpc.StatusCode, str]:
    """Return the status and the text with which a call is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), str(caught.value.details())


async def rows(client: Client, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """Return the rows that a query finds in the server's database."""
    async with client.pool.connection() as connection:
        found: list[tuple[Any, ...]] = await (await connection.execute(query.encode(), parameters)).fetchall()
    return found
