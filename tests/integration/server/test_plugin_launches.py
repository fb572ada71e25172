"""A plugin starts workflows and tasks and settles promises, through what the server lends it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from core.errors import InvalidInput, NotFound
from core.launchers import IdempotencyKey, TaskLaunch, WorkflowLaunch
from core.payload import Json
from core.plugin import Plugin
from core.plugin_services import PluginServices
from proto.flovyn.v1 import task_pb2, task_pb2_grpc, workflow_pb2
from tests.support.running import OTHER_TENANT, TENANT, Client, bearer, running_server


class Launching(Plugin):
    """Keeps what it was lent."""

    name = "launching"
    version = "1"
    services: PluginServices

    def setup(self, services: PluginServices) -> None:
        """Keep it."""
        type(self).services = services


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    async with running_server(database, [Launching]) as client:
        yield client


async def test_a_workflow_that_a_plugin_starts_is_a_workflow(client: Client) -> None:
    """A worker gets it, with the payload as it was written; the same key leads to the same workflow."""
    launch = WorkflowLaunch(TENANT, "k", Json('{"n": 1.0}'), "q", idempotency_key=IdempotencyKey("once"))
    first, second = [await Launching.services.workflows.launch(launch) for _ in range(2)]
    assert (first.is_new, second.is_new, first.id) == (True, False, second.id)
    poll = workflow_pb2.PollRequest(tenant_id=str(TENANT), worker_id="w", queue="q")
    workflow = (await client.dispatch.PollWorkflow(poll, metadata=bearer())).workflow_execution
    assert (workflow.id, workflow.kind, workflow.input) == (str(first.id), "k", b'{"n": 1.0}')


async def test_a_task_that_a_plugin_creates_is_a_task(client: Client) -> None:
    """A worker gets it; it belongs to no workflow."""
    launched = await Launching.services.tasks.launch(TaskLaunch(TENANT, "resize", Json("[1]"), "q"))
    stub: task_pb2_grpc.TaskExecutionStub = task_pb2_grpc.TaskExecutionStub(client.channel)
    poll = task_pb2.PollTaskRequest(tenant_id=str(TENANT), worker_id="w", queue="q")
    task = (await stub.PollTask(poll, metadata=bearer())).task
    assert (task.task_execution_id, task.kind, task.workflow_execution_id) == (str(launched.id), "resize", "")


async def test_a_plugin_settles_a_promise_once(client: Client) -> None:
    """The first settlement wins and is in the history; a promise of another tenant is not there."""
    workflow = (await Launching.services.workflows.launch(WorkflowLaunch(TENANT, "k"))).id
    poll = workflow_pb2.PollRequest(tenant_id=str(TENANT), worker_id="w")
    await client.dispatch.PollWorkflow(poll, metadata=bearer())
    command = workflow_pb2.WorkflowCommand(create_promise=workflow_pb2.CreatePromiseCommand(promise_id="approval"))
    submission = workflow_pb2.SubmitWorkflowCommandsRequest(
        workflow_execution_id=str(workflow), commands=[command], status=workflow_pb2.WORKFLOW_STATUS_SUSPENDED
    )
    await client.dispatch.SubmitWorkflowCommands(submission, metadata=bearer())
    request = workflow_pb2.GetEventsRequest(workflow_execution_id=str(workflow))
    created = (await client.dispatch.GetEvents(request, metadata=bearer())).events[-1]
    promise = json.loads(created.event_data)["promiseId"]
    promises = Launching.services.promises
    with pytest.raises(NotFound):
        await promises.resolve(OTHER_TENANT, promise, Json("true"))
    settled = [await promises.resolve(TENANT, promise, Json("true")), await promises.reject(TENANT, promise, "no")]
    assert settled == [True, False]
    last = (await client.dispatch.GetEvents(request, metadata=bearer())).events[-1]
    assert (last.event_type, json.loads(last.event_data)["value"]) == ("PROMISE_RESOLVED", True)


@pytest.mark.parametrize(
    ("launch", "named"),
    [
        (WorkflowLaunch(TENANT, ""), "kind"),
        (WorkflowLaunch(TENANT, "k", Json("{")), "input"),
        (WorkflowLaunch(TENANT, "k", queue="q" * 101), "queue"),
        (WorkflowLaunch(TENANT, "k", metadata={"_flovyn_x": "1"}), "metadata"),
        (WorkflowLaunch(TENANT, "k", idempotency_key=IdempotencyKey("")), "idempotency"),
    ],
)
@pytest.mark.usefixtures("client")
async def test_a_launch_that_says_nonsense_is_refused_by_field(launch: WorkflowLaunch, named: str) -> None:
    """The message names what is wrong, as it does for callers from outside."""
    with pytest.raises(InvalidInput, match=named):
        await Launching.services.workflows.launch(launch)
    key = launch.idempotency_key
    task = TaskLaunch(TENANT, launch.kind, launch.input, launch.queue, metadata=launch.metadata, idempotency_key=key)
    with pytest.raises(InvalidInput, match=named):
        await Launching.services.tasks.launch(task)
