"""The demo of ``flovyn-server dev --demo``: a client and a worker that execute one workflow, an order.

They use only the wire protocol, as SDKs do. The order reserves stock and asks for a price at the same time, and charges
a card, which fails at first. It then waits for a timer, for an approval over REST and for a signal. A child workflow
writes the invoice.
"""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid5

import grpc.aio

from core.errors import Unavailable
from proto.flovyn.v1 import task_pb2, task_pb2_grpc, worker_pb2, worker_pb2_grpc, workflow_pb2, workflow_pb2_grpc

ORDER, INVOICE = "order", "invoice"
QUEUE = "demo"
TIMEOUT_S = 20.0
"""Seconds after which the demo fails."""

PAUSE_S = 0.05

Event = tuple[str, dict[str, Any]]
Command = workflow_pb2.WorkflowCommand


def order_commands(workflow_id: str, history: Sequence[Event]) -> list[Command]:
    """Return the commands of the order's next step, given its history; none while the order waits."""
    types = [event_type for event_type, _ in history]
    ended = dict(history)
    tasks = (types.count("TASK_SCHEDULED"), types.count("TASK_COMPLETED"))
    steps: tuple[tuple[bool, Callable[[], list[Command]]], ...] = (
        (tasks == (0, 0), lambda: [_task(workflow_id, "reserve-stock"), _task(workflow_id, "get-price")]),
        (tasks == (2, 2), lambda: [_task(workflow_id, "charge-card")]),
        (tasks == (3, 3) and "TIMER_STARTED" not in types, _cool_off),
        ("TIMER_FIRED" in types and "PROMISE_CREATED" not in types, _ask),
        (_agreed(types) and "CHILD_WORKFLOW_INITIATED" not in types, lambda: [_child(workflow_id)]),
        ("CHILD_WORKFLOW_COMPLETED" in types, lambda: [_complete(ended["CHILD_WORKFLOW_COMPLETED"]["output"])]),
    )
    return next((commands() for is_due, commands in steps if is_due), [])


def _cool_off() -> list[Command]:
    return [Command(start_timer=workflow_pb2.StartTimerCommand(timer_id="cooling-off", duration_ms=200))]


def _ask() -> list[Command]:
    return [Command(create_promise=workflow_pb2.CreatePromiseCommand(promise_id="approval"))]


def _agreed(types: Sequence[str]) -> bool:
    """Return whether the approval and the address have come, in either order."""
    return {"PROMISE_RESOLVED", "SIGNAL_RECEIVED"} <= set(types)


def invoice_commands(_workflow_id: str, _history: Sequence[Event]) -> list[Command]:
    """Return the commands of the child: it records a number and completes."""
    number = workflow_pb2.RecordOperationCommand(operation_name="number", result=b"1")
    return [Command(record_operation=number), _complete("invoice 1")]


_WORKFLOWS: dict[str, Callable[[str, Sequence[Event]], list[Command]]] = {
    ORDER: order_commands,
    INVOICE: invoice_commands,
}


def _task(workflow_id: str, kind: str) -> Command:
    task_id = str(uuid5(UUID(workflow_id), kind))
    return Command(schedule_task=workflow_pb2.ScheduleTaskCommand(kind=kind, input=b"{}", task_execution_id=task_id))


def _child(workflow_id: str) -> Command:
    child_id = str(uuid5(UUID(workflow_id), INVOICE))
    child = workflow_pb2.ScheduleChildWorkflowCommand(
        child_execution_name=INVOICE, workflow_kind=INVOICE, child_workflow_execution_id=child_id, input=b"{}"
    )
    return Command(schedule_child_workflow=child)


def _complete(output: object) -> Command:
    return Command(complete_workflow=workflow_pb2.CompleteWorkflowCommand(output=json.dumps(output).encode()))


class DemoWorker:
    """A worker for the order, its child workflow and its tasks."""

    def __init__(self, channel: grpc.aio.Channel, token: str, tenant_id: str) -> None:
        self._dispatch = workflow_pb2_grpc.WorkflowDispatchStub(channel)
        self._tasks = task_pb2_grpc.TaskExecutionStub(channel)
        self._lifecycle = worker_pb2_grpc.WorkerLifecycleStub(channel)
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._tenant_id = tenant_id

    async def serve(self) -> None:
        """Register, then poll for workflows and tasks until cancelled."""
        registered = await self._lifecycle.RegisterWorker(
            worker_pb2.WorkerRegistrationRequest(
                worker_name="demo",
                worker_type="UNIFIED",
                tenant_id=self._tenant_id,
                workflows=[worker_pb2.WorkflowCapability(kind=kind, name=kind.title()) for kind in _WORKFLOWS],
            ),
            metadata=self._metadata,
        )
        await asyncio.gather(self._serve_workflows(registered.worker_id), self._serve_tasks(registered.worker_id))

    async def history(self, workflow_id: str) -> list[Event]:
        """Return type and data of a workflow's events."""
        request = workflow_pb2.GetEventsRequest(workflow_execution_id=workflow_id)
        answer = await self._dispatch.GetEvents(request, metadata=self._metadata)
        return [(event.event_type, json.loads(event.event_data)) for event in answer.events]

    async def _serve_workflows(self, worker_id: str) -> None:
        poll = workflow_pb2.PollRequest(worker_id=worker_id, tenant_id=self._tenant_id, queue=QUEUE)
        while True:
            answer = await self._dispatch.PollWorkflow(poll, metadata=self._metadata)
            if answer.HasField("workflow_execution"):
                workflow = answer.workflow_execution
                await self._submit(workflow.id, _WORKFLOWS[workflow.kind](workflow.id, await self.history(workflow.id)))

    async def _submit(self, workflow_id: str, commands: list[Command]) -> None:
        ended = any(command.HasField("complete_workflow") for command in commands)
        status = workflow_pb2.WORKFLOW_STATUS_COMPLETED if ended else workflow_pb2.WORKFLOW_STATUS_SUSPENDED
        request = workflow_pb2.SubmitWorkflowCommandsRequest(
            workflow_execution_id=workflow_id, commands=commands, status=status
        )
        await self._dispatch.SubmitWorkflowCommands(request, metadata=self._metadata)

    async def _serve_tasks(self, worker_id: str) -> None:
        poll = task_pb2.PollTaskRequest(worker_id=worker_id, tenant_id=self._tenant_id, queue=QUEUE)
        while True:
            answer = await self._tasks.PollTask(poll, metadata=self._metadata)
            if answer.HasField("task"):
                await self._work(answer.task)

    async def _work(self, task: task_pb2.TaskExecutionInfo) -> None:
        if task.kind == "charge-card" and task.execution_count == 1:
            failure = task_pb2.FailTaskRequest(task_execution_id=task.task_execution_id, error="card reader is busy")
            await self._tasks.FailTask(failure, metadata=self._metadata)
            return
        output = json.dumps({"attempt": task.execution_count}).encode()
        result = task_pb2.CompleteTaskRequest(task_execution_id=task.task_execution_id, output=output)
        await self._tasks.CompleteTask(result, metadata=self._metadata)


class Rest:
    """The REST calls of the demo, below the path of the tenant."""

    def __init__(self, tenant_url: str, token: str) -> None:
        self._url = tenant_url
        self._token = token

    async def call(self, path: str, body: object = None) -> Any:
        """GET a path, or POST a body to it."""
        return await asyncio.to_thread(self._call, path, body)

    def _call(self, path: str, body: object) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {self._token}", "content-type": "application/json"}
        request = urllib.request.Request(self._url + path, data, headers)  # noqa: S310 - our own address
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            return json.load(answer)


async def run_demo(grpc_address: str, tenant_url: str, token: str, say: Callable[[str], Any]) -> None:
    """Start an order, serve it with a worker until it ends, and print its history.

    Raises:
        Unavailable: the order did not end within ``TIMEOUT_S``, or the server refused a call.
    """
    rest = Rest(tenant_url, token)
    tenant_id = (await rest.call(""))["id"]
    async with grpc.aio.insecure_channel(grpc_address) as channel:
        worker = DemoWorker(channel, token, tenant_id)
        serving = asyncio.create_task(worker.serve())
        try:
            async with asyncio.timeout(TIMEOUT_S):
                workflow_id = await _order(channel, token, tenant_id, worker, rest)
        except TimeoutError:
            raise Unavailable(f"the demo's workflow did not end within {TIMEOUT_S:g} s") from None
        except grpc.aio.AioRpcError as error:
            raise Unavailable(f"the server refused a call of the demo: {error.details()}") from None
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
    await _print_timeline(rest, workflow_id, say)


async def _order(channel: grpc.aio.Channel, token: str, tenant_id: str, worker: DemoWorker, rest: Rest) -> str:
    dispatch = workflow_pb2_grpc.WorkflowDispatchStub(channel)
    metadata = (("authorization", f"Bearer {token}"),)
    request = workflow_pb2.StartWorkflowRequest(
        tenant_id=tenant_id, workflow_kind=ORDER, queue=QUEUE, input=b'{"item": "book"}'
    )
    workflow_id: str = (await dispatch.StartWorkflow(request, metadata=metadata)).workflow_execution_id
    promise = await _until(worker, workflow_id, "PROMISE_CREATED")
    await rest.call(f"/promises/id:{promise['promiseId']}/resolve", {"value": {"by": "the boss"}})
    signal = workflow_pb2.SignalWorkflowRequest(
        tenant_id=tenant_id, workflow_execution_id=workflow_id, signal_name="address", signal_value=b'"Main Street 1"'
    )
    await dispatch.SignalWorkflow(signal, metadata=metadata)
    await _until(worker, workflow_id, "WORKFLOW_COMPLETED")
    return workflow_id


async def _until(worker: DemoWorker, workflow_id: str, event_type: str) -> dict[str, Any]:
    """Wait for the first event of this type in the workflow; return its data."""
    while True:
        found = [data for each, data in await worker.history(workflow_id) if each == event_type]
        if found:
            return found[0]
        await asyncio.sleep(PAUSE_S)


async def _print_timeline(rest: Rest, workflow_id: str, say: Callable[[str], Any]) -> None:
    say(f"workflow {workflow_id}\n")
    for event in (await rest.call(f"/workflow-executions/{workflow_id}/events"))["events"]:
        say(
            f"  {event['sequence']:>2}  {event['timestamp'][11:23]}  {event['eventType']:<24} {_short(event['data'])}\n"
        )
    for task in (await rest.call(f"/workflow-executions/{workflow_id}/tasks"))["tasks"]:
        attempts = (await rest.call(f"/workflow-executions/{workflow_id}/tasks/{task['id']}/attempts"))["attempts"]
        tried = ", ".join(f"{each['status']}{': ' + each['error'] if each['error'] else ''}" for each in attempts)
        say(f"task {task['kind']:<14} {tried}\n")


def _short(data: dict[str, Any]) -> str:
    text = json.dumps(data)
    return text if len(text) <= 100 else text[:97] + "..."  # noqa: PLR2004 - fits a terminal
