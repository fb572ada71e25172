"""Payloads are what was sent, to the character: over REST and gRPC, in and out, of every route and method that has some."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any
from uuid import uuid4

import hypothesis
import pytest_asyncio
from google.protobuf.descriptor import FieldDescriptor

from core.launchers import TaskLaunch, WorkflowLaunch
from core.payload import Json
from core.rest_model import shape_of
from proto.flovyn.v1 import agent_pb2, query_pb2, task_pb2, worker_pb2, workflow_pb2
from server.engine.launchers import EngineTaskLauncher, EngineWorkflowLauncher
from tests.support.agent_payloads import AGENT_FIELDS, create_agent, record_agent, signal_agent
from tests.support.calls import complete_task, poll, poll_task, rows
from tests.support.driving import (
    COMPLETED,
    Calls,
    complete,
    create_promise,
    operation,
    resolve_promise,
    schedule_child,
    schedule_task,
    send_signal,
    signal_with_start,
)
from tests.support.hostile import ask
from tests.support.json_texts import json_texts
from tests.support.repetitions import times
from tests.support.running import TENANT, WORKER_KEY, Client, bearer, running_server

TEXTS = times(6, 300)
"""Random payloads, each of which goes through everything."""
BASE = "/api/v1/tenants/test"


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    async with running_server(database) as client:
        yield client


class Check:
    """Sends one payload everywhere, and looks for it wherever it is shown."""

    def __init__(self, client: Client, text: str) -> None:
        self.client = client
        self.calls = Calls(client)
        self.text = text
        self.data = text.encode()
        self.queue = uuid4().hex

    async def send(self, method: str, path: str, body: str) -> Any:
        """Make a REST request of this very text; return the answer's value, and keep its text."""
        answer = await ask(self.client, method, (BASE + path).encode(), body.encode(), key=WORKER_KEY)
        assert answer.status < 300, (path, body, answer)
        self.answered = answer.body.decode()
        return json.loads(self.answered)

    async def shows(self, path: str, member: str, times: int = 1) -> None:
        """Check that an answer embeds the payload as it was sent, under a name; within events, without a space."""
        await self.send("GET", path, "")
        found = self.answered.count(f'"{member}": {self.text}') + self.answered.count(f'"{member}":{self.text}')
        assert found >= times, (path, member, self.text, self.answered)

    async def run_shows(self, workflow_id: str, member: str) -> None:
        """Check that the history of a workflow holds the payload, over REST and over gRPC."""
        await self.shows(f"/workflow-executions/{workflow_id}/events", member)
        request = workflow_pb2.GetEventsRequest(workflow_execution_id=workflow_id)
        answer = await self.client.dispatch.GetEvents(request, metadata=bearer())
        assert any(f'"{member}":{self.text}'.encode() in each.event_data for each in answer.events), (
            workflow_id,
            member,
        )

    async def run_has_input(self, workflow_id: str) -> None:
        """Check the input of a workflow that waits in the queue, wherever it is shown, and in the worker's hands."""
        await self.shows(f"/workflow-executions/{workflow_id}", "input")
        await self.shows("/workflow-executions", "input")
        await self.run_shows(workflow_id, "input")
        execution = await poll(self.client, self.queue)
        assert execution is not None
        assert (execution.id, execution.input) == (workflow_id, self.data)

    async def task_has_input(self, task_id: str) -> None:
        """Check the input of a standalone task likewise."""
        await self.shows(f"/task-executions/{task_id}", "input")
        task = await poll_task(self.client, self.queue)
        assert task is not None
        assert (task.task_execution_id, task.input) == (task_id, self.data)

    async def waiting_workflow(self, *commands: Any) -> str:
        """Return a workflow that waits, after some commands."""
        workflow_id = await self.calls.start(queue=self.queue)
        await self.calls.step(*commands, queue=self.queue)
        return workflow_id

    async def promise(self) -> tuple[str, str]:
        """Return a workflow and its promise."""
        workflow_id = await self.waiting_workflow(create_promise("p"))
        events = await self.calls.events(workflow_id)
        return workflow_id, next(data["promiseId"] for _, kind, data in events if kind == "PROMISE_CREATED")


async def _start(check: Check) -> None:
    body = f'{{ "kind" : "k", "queue": "{check.queue}", "input" : {check.text} , "priority_seconds": 1 }}'
    workflow = await check.send("POST", "/workflow-executions", body)
    await check.run_has_input(workflow["workflowExecutionId"])


async def _signal(check: Check) -> None:
    for name in ("signal_value", "signalValue"):
        workflow_id = await check.waiting_workflow()
        body = f'{{"signal_name": "s", "{name}": {check.text}}}'
        await check.send("POST", f"/workflow-executions/{workflow_id}/signal", body)
        await check.run_shows(workflow_id, "signalValue")


async def _signal_many(check: Check) -> None:
    workflow_id = await check.waiting_workflow()
    body = f'{{"filter": {{"queue": "{check.queue}"}}, "signalName": "s", "signalValue": {check.text}}}'
    changed = await check.send("POST", "/workflow-executions/bulk/signal", body)
    assert changed["changed"] == 1
    await check.run_shows(workflow_id, "signalValue")


async def _signal_with_start(check: Check) -> None:
    ids = f'"workflowId": "{uuid4()}", "workflowKind": "k", "queue": "{check.queue}", "signalName": "s"'
    body = f'{{"workflowInput":{check.text},{ids},"signalValue":{check.text}}}'
    workflow = await check.send("POST", "/workflow-executions/signal-with-start", body)
    await check.run_shows(workflow["workflow_execution_id"], "signalValue")
    await check.run_has_input(workflow["workflow_execution_id"])


async def _resolve(check: Check) -> None:
    workflow_id, promise_id = await check.promise()
    await check.send("POST", f"/promises/{promise_id}/resolve", f'{{"value":\n{check.text}}}')
    await check.run_shows(workflow_id, "value")


async def _create_task(check: Check) -> None:
    body = f'{{"input": {check.text}, "kind": "k", "queue": "{check.queue}"}}'
    task = await check.send("POST", "/task-executions", body)
    await check.task_has_input(task["id"])


def _schedule(check: Check, target: str) -> str:
    timing = '{"type": "recurring", "cron": "0 0 1 1 *"}'
    target = f'{{"type": "{target}", "{target}Kind": "k", "queue": "{check.queue}", "input": {check.text}}}'
    return f'{{"name": "{uuid4()}", "scheduleType": {timing}, "target": {target}}}'


async def _triggered(check: Check, schedule_id: str) -> None:
    await check.shows(f"/schedules/{schedule_id}", "input")
    workflow = await check.send("POST", f"/schedules/{schedule_id}/trigger", "")
    if workflow["workflowExecutionId"]:
        await check.run_has_input(workflow["workflowExecutionId"])
    else:
        await check.task_has_input(workflow["taskExecutionId"])


async def _create_schedule(check: Check) -> None:
    for target in ("workflow", "task"):
        made = await check.send("POST", "/schedules", _schedule(check, target))
        await _triggered(check, made["id"])


async def _replace_schedule(check: Check) -> None:
    made = await check.send("POST", "/schedules", _schedule(Check(check.client, "0"), "workflow"))
    await check.send("PUT", f"/schedules/{made['id']}", _schedule(check, "task"))
    await _triggered(check, made["id"])


REST: Mapping[str, Callable[[Check], Awaitable[None]]] = {
    "POST /workflow-executions": _start,
    "POST /workflow-executions/{id}/signal": _signal,
    "POST /workflow-executions/bulk/signal": _signal_many,
    "POST /workflow-executions/signal-with-start": _signal_with_start,
    "POST /promises/{ident}/resolve": _resolve,
    "POST /task-executions": _create_task,
    "POST /schedules": _create_schedule,
    "PUT /schedules/{id}": _replace_schedule,
    "POST /agent-executions": create_agent,
    "POST /agent-executions/{id}/signal": signal_agent,
}
"""The functions that send and look for a payload, by the route that accepts it."""


async def _grpc_start(check: Check) -> None:
    await check.run_has_input(await check.calls.start(check.data, queue=check.queue))


async def _grpc_start_child(check: Check) -> None:
    parent = await check.waiting_workflow()
    request = workflow_pb2.StartChildWorkflowRequest(
        tenant_id=str(TENANT),
        parent_workflow_execution_id=parent,
        child_execution_name="c",
        workflow_kind="k",
        input=check.data,
        queue=check.queue,
    )
    answer = await check.client.dispatch.StartChildWorkflow(request, metadata=bearer())
    await check.run_shows(parent, "input")
    await check.shows(f"/workflow-executions/{answer.child_workflow_execution_id}", "input")


async def _grpc_signal(check: Check) -> None:
    workflow_id = await check.waiting_workflow()
    await check.client.dispatch.SignalWorkflow(send_signal(workflow_id, value=check.data), metadata=bearer())
    await check.run_shows(workflow_id, "signalValue")


async def _grpc_signal_with_start(check: Check) -> None:
    payloads: Any = {"workflow_input": check.data, "signal_value": check.data}
    request = signal_with_start(str(uuid4()), queue=check.queue, **payloads)
    answer = await check.client.dispatch.SignalWithStartWorkflow(request, metadata=bearer())
    await check.run_shows(answer.workflow_execution_id, "signalValue")
    await check.run_has_input(answer.workflow_execution_id)


async def _grpc_resolve(check: Check) -> None:
    workflow_id, promise_id = await check.promise()
    request = workflow_pb2.ResolvePromiseRequest(promise_id=promise_id, value=check.data)
    await check.client.dispatch.ResolvePromise(request, metadata=bearer())
    await check.run_shows(workflow_id, "value")


async def _commands(check: Check) -> None:
    """Send what a worker's commands carry; a workflow's own output comes last."""
    task_id, child_id = str(uuid4()), str(uuid4())
    workflow_id = await check.waiting_workflow(
        operation("op", check.data),
        workflow_pb2.WorkflowCommand(set_state=workflow_pb2.SetStateCommand(key="k", value=check.data)),
        schedule_task(task_id, data=check.data, queue=check.queue),
        schedule_child(child_id, data=check.data, queue="children"),
        create_promise("p"),
        resolve_promise("p", check.data),
    )
    for member in ("result", "value", "input"):
        await check.run_shows(workflow_id, member)
    await check.shows(f"/workflow-executions/{workflow_id}/state", "k")
    await check.shows(f"/workflow-executions/{workflow_id}/tasks", "input")
    await check.shows(f"/workflow-executions/{child_id}", "input")
    task = await poll_task(check.client, check.queue)
    assert task is not None
    assert task.input == check.data
    await check.client.tasks.CompleteTask(
        task_pb2.CompleteTaskRequest(task_execution_id=task_id, output=check.data), metadata=bearer()
    )
    await check.run_shows(workflow_id, "output")
    await check.shows(f"/workflow-executions/{workflow_id}/tasks", "output")
    await check.shows(f"/workflow-executions/{workflow_id}/tasks/{task_id}/attempts", "output")
    await check.calls.step(complete(check.data), queue=check.queue, status=COMPLETED)
    await check.shows(f"/workflow-executions/{workflow_id}", "output")
    await check.run_shows(workflow_id, "output")


async def _grpc_task(check: Check) -> None:
    request = task_pb2.SubmitTaskRequest(tenant_id=str(TENANT), kind="k", input=check.data, queue=check.queue)
    task_id = (await check.client.tasks.SubmitTask(request, metadata=bearer())).task_execution_id
    await check.task_has_input(task_id)
    state = task_pb2.SetStateRequest(task_execution_id=task_id, key="k", value=check.data)
    await check.client.tasks.SetState(state, metadata=bearer())
    wanted = task_pb2.GetStateRequest(task_execution_id=task_id, key="k")
    assert (await check.client.tasks.GetState(wanted, metadata=bearer())).value == check.data
    await complete_task(check.client, task_id)


async def _grpc_register(check: Check) -> None:
    if check.text == "null":
        return
    kind = uuid4().hex
    named: Any = dict.fromkeys(("retry_policy", "input_schema", "output_schema", "metadata"), check.data)
    request = worker_pb2.WorkerRegistrationRequest(
        tenant_id=str(TENANT),
        worker_name=kind,
        worker_type="UNIFIED",
        metadata=check.data,
        workflows=[worker_pb2.WorkflowCapability(kind=kind, **named)],
        tasks=[worker_pb2.TaskCapability(kind=kind, **named)],
    )
    answer = await check.client.lifecycle.RegisterWorker(request, metadata=bearer())
    await check.shows(f"/workers/{answer.worker_id}", "metadata")
    for category in ("workflow", "task"):
        for member in ("retryPolicy", "inputSchema", "outputSchema", "metadata"):
            await check.shows(f"/{category}-definitions/{kind}", member)


GRPC: Mapping[str, Callable[[Check], Awaitable[None]]] = {
    "StartWorkflowRequest.input": _grpc_start,
    "StartChildWorkflowRequest.input": _grpc_start_child,
    "SignalWorkflowRequest.signal_value": _grpc_signal,
    "SignalWithStartWorkflowRequest.workflow_input": _grpc_signal_with_start,
    "SignalWithStartWorkflowRequest.signal_value": _grpc_signal_with_start,
    "ResolvePromiseRequest.value": _grpc_resolve,
    "RecordOperationCommand.result": _commands,
    "SetStateCommand.value": _commands,
    "ScheduleTaskCommand.input": _commands,
    "CompleteWorkflowCommand.output": _commands,
    "ResolvePromiseCommand.value": _commands,
    "ScheduleChildWorkflowCommand.input": _commands,
    "CompleteTaskRequest.output": _commands,
    "SubmitTaskRequest.input": _grpc_task,
    "SetStateRequest.value": _grpc_task,
    "WorkerRegistrationRequest.metadata": _grpc_register,
    **dict.fromkeys(AGENT_FIELDS, record_agent),
    **{
        f"{category}Capability.{name}": _grpc_register
        for category in ("Workflow", "Task")
        for name in ("retry_policy", "input_schema", "output_schema", "metadata")
    },
}
"""The same by the message and its field."""

NOT_OFFERED = {
    "QueryWorkflowRequest.params",
    "AgentCapability.input_schema",
    "AgentCapability.metadata",
    "WorkerHeartbeatRequest.health_info",
}
"""Payloads that nothing is done with."""


async def _launchers(check: Check) -> None:
    engine = check.client.engine
    launch = WorkflowLaunch(TENANT, "k", Json(check.text), check.queue)
    await check.run_has_input(str((await EngineWorkflowLauncher(engine).launch(launch)).id))
    task = TaskLaunch(TENANT, "k", Json(check.text), check.queue)
    await check.task_has_input(str((await EngineTaskLauncher(engine).launch(task)).id))


def _payload_fields() -> Iterator[str]:
    for module in (agent_pb2, query_pb2, task_pb2, worker_pb2, workflow_pb2):
        methods = [each for service in module.DESCRIPTOR.services_by_name.values() for each in service.methods]
        messages, known = [each.input_type for each in methods], set[str]()
        while messages:
            message = messages.pop()
            if message.name in known:
                continue
            known.add(message.name)
            messages += [field.message_type for field in message.fields if field.message_type is not None]
            yield from (f"{message.name}.{f.name}" for f in message.fields if f.type == FieldDescriptor.TYPE_BYTES)


async def test_every_payload_is_in_the_test_below(client: Client) -> None:
    """A new route or field with a payload must be added there."""
    prefix = "/api/v1/tenants/{slug}"
    routes = {
        f"{route.method} {route.path.removeprefix(prefix)}"
        for route in client.server_routes
        if route.request_model is not None and shape_of(route.request_model).has_text
    }
    assert routes == set(REST)
    assert set(_payload_fields()) == set(GRPC) | NOT_OFFERED


async def test_payloads_come_back_as_they_were_sent(client: Client) -> None:
    """Whatever route or method takes them, and wherever they are shown; what is stored is the text, too."""
    loop = asyncio.get_running_loop()

    async def everything(text: str) -> None:
        for drive in {*REST.values(), *GRPC.values(), _launchers}:
            await drive(Check(client, text))
        stored = "SELECT count(*) FROM workflow_execution WHERE input::text = %(text)s"
        assert (await rows(client, stored, text=text))[0][0] >= 5

    @hypothesis.settings(
        max_examples=TEXTS,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.example('{"b": 1.10, "c": 1e2, "b": 12345678901234567890.123}')
    @hypothesis.given(json_texts())
    def check(text: str) -> None:
        asyncio.run_coroutine_threadsafe(everything(text), loop).result(120)

    await asyncio.to_thread(check)
