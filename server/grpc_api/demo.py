"""The demo of ``flovyn-server dev --demo``: a client and a worker that carry one workflow through.

They speak the same wire protocol as any SDK and know nothing else of the server.
"""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Callable
from typing import Any

import grpc.aio

from core.errors import Unavailable
from proto.flovyn.v1 import worker_pb2, worker_pb2_grpc, workflow_pb2, workflow_pb2_grpc

KIND = "greet"
QUEUE = "demo"
TIMEOUT_S = 20.0
"""The demo gives up after this long."""


class DemoWorker:
    """A worker for the one kind ``greet``: records an operation, then completes."""

    def __init__(self, channel: grpc.aio.Channel, token: str, tenant_id: str) -> None:
        """Take the connection and the credentials."""
        self._dispatch = workflow_pb2_grpc.WorkflowDispatchStub(channel)
        self._lifecycle = worker_pb2_grpc.WorkerLifecycleStub(channel)
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._tenant_id = tenant_id

    async def serve_one(self) -> None:
        """Register, poll until there is a run, and carry it to its end."""
        registered = await self._lifecycle.RegisterWorker(
            worker_pb2.WorkerRegistrationRequest(
                worker_name="demo",
                worker_type="WORKFLOW",
                tenant_id=self._tenant_id,
                workflows=[worker_pb2.WorkflowCapability(kind=KIND, name="Greet")],
            ),
            metadata=self._metadata,
        )
        poll = workflow_pb2.PollRequest(worker_id=registered.worker_id, tenant_id=self._tenant_id, queue=QUEUE)
        while True:
            answer = await self._dispatch.PollWorkflow(poll, metadata=self._metadata)
            if answer.HasField("workflow_execution"):
                await self._run(answer.workflow_execution)
                return

    async def _run(self, execution: workflow_pb2.WorkflowExecution) -> None:
        greeting = json.dumps(f"Hello, {json.loads(execution.input)['name']}!").encode()
        commands = [
            workflow_pb2.WorkflowCommand(
                command_type=workflow_pb2.COMMAND_TYPE_RECORD_OPERATION,
                sequence_number=1,
                record_operation=workflow_pb2.RecordOperationCommand(operation_name="compose", result=greeting),
            ),
            workflow_pb2.WorkflowCommand(
                command_type=workflow_pb2.COMMAND_TYPE_COMPLETE_WORKFLOW,
                sequence_number=2,
                complete_workflow=workflow_pb2.CompleteWorkflowCommand(output=greeting),
            ),
        ]
        await self._dispatch.SubmitWorkflowCommands(
            workflow_pb2.SubmitWorkflowCommandsRequest(
                workflow_execution_id=execution.id,
                commands=commands,
                status=workflow_pb2.WORKFLOW_STATUS_COMPLETED,
            ),
            metadata=self._metadata,
        )


async def run_demo(grpc_address: str, tenant_url: str, token: str, say: Callable[[str], Any]) -> None:
    """Start a workflow, let a worker carry it to its end, and print its history.

    Raises:
        Unavailable: it did not end within ``TIMEOUT_S``.
    """
    tenant_id = await asyncio.to_thread(_tenant_id, tenant_url, token)
    async with grpc.aio.insecure_channel(grpc_address) as channel:
        try:
            await asyncio.wait_for(_start_and_watch(channel, token, tenant_id, say), TIMEOUT_S)
        except TimeoutError:
            raise Unavailable(f"the demo's workflow did not end within {TIMEOUT_S:g} s") from None
        except grpc.aio.AioRpcError as error:
            raise Unavailable(f"the server refused a call of the demo: {error.details()}") from None


async def _start_and_watch(channel: grpc.aio.Channel, token: str, tenant_id: str, say: Callable[[str], Any]) -> None:
    dispatch = workflow_pb2_grpc.WorkflowDispatchStub(channel)
    metadata = (("authorization", f"Bearer {token}"),)
    worker = asyncio.create_task(DemoWorker(channel, token, tenant_id).serve_one())
    try:
        started = await dispatch.StartWorkflow(
            workflow_pb2.StartWorkflowRequest(
                tenant_id=tenant_id, workflow_kind=KIND, queue=QUEUE, input=b'{"name": "world"}'
            ),
            metadata=metadata,
        )
        await worker
    finally:
        worker.cancel()
    history = await dispatch.GetEvents(
        workflow_pb2.GetEventsRequest(workflow_execution_id=started.workflow_execution_id), metadata=metadata
    )
    say(f"workflow {started.workflow_execution_id}\n")
    for event in history.events:
        say(f"  {event.sequence_number}  {event.event_type:<22} {event.event_data.decode()}\n")


def _tenant_id(url: str, token: str) -> str:
    """Ask the server, over REST, for the id behind the tenant's slug."""
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"})  # noqa: S310 - our own address
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
        found: str = json.load(answer)["id"]
        return found
