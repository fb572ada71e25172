"""Streams as REST clients see them: server-sent events of chunks and of changes of state."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from proto.flovyn.v1 import task_pb2 as pb
from proto.flovyn.v1 import workflow_pb2
from server.rest_api.resources import streams
from tests.support.calls import complete_task, fail_task, poll, poll_task, start, submit_task
from tests.support.driving import COMPLETED, RUNNING, Calls, complete, operation, schedule_task
from tests.support.event_streams import open_stream
from tests.support.replay import Context
from tests.support.replaying_worker import ReplayingWorker
from tests.support.running import OTHER_KEY, WORKER_KEY, Client, bearer, running_server

BASE = "/api/v1/tenants/test"


@pytest_asyncio.fixture
async def client(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """A running server that listens for chunks, and finds out soon that a client has gone."""
    monkeypatch.setattr(streams, "KEEP_ALIVE_S", 0.1)
    async with running_server(database) as client:
        await asyncio.wait_for(client.listening.connected.wait(), 5)
        yield client


async def _stream(client: Client, task_id: str, kind: Any, payload: str, workflow_id: str = "") -> None:
    request = pb.StreamTaskDataRequest(
        task_execution_id=task_id, workflow_execution_id=workflow_id, type=kind, payload=payload
    )
    await client.tasks.StreamTaskData(request, metadata=bearer())


async def test_a_task_streams_to_those_who_watch(client: Client) -> None:
    """Every kind by its name, numbered, payloads as they were sent, line ends too; older places show the same."""
    task_id = await submit_task(client)
    await poll_task(client)
    async with (
        open_stream(client, f"{BASE}/task-executions/{task_id}/stream") as here,
        open_stream(client, f"/api/orgs/test/stream/tasks/{task_id}") as there,
    ):
        assert here.result.headers["content-type"].startswith("text/event-stream")
        assert (here.result.headers["cache-control"], here.result.headers["x-accel-buffering"]) == ("no-cache", "no")
        kinds = ("token", "progress", "data", "error")
        for number, kind in enumerate(kinds, 1):
            await _stream(client, task_id, number, f'{{"type":"{kind}",\n"n":1.0}}')
        for reader in (here, there):
            events = [await reader.event() for _ in kinds]
            assert [(each["event"], each["id"]) for each in events] == [
                (kind, str(n)) for n, kind in enumerate(kinds, 1)
            ]
            assert events[2]["data"] == '{"type":"data",\n"n":1.0}'


@pytest.mark.parametrize(
    "payload", ['{"type":"data",\n "data": [1.10, 1e2, "\\ud83d\\ude00"]}', "12345678901234567890.123"]
)
async def test_payloads_are_streamed_to_the_digit(client: Client, payload: str) -> None:
    """Chunks of a family, and values in changes of state."""
    calls, task_id = Calls(client), str(uuid4())
    workflow_id = await start(client)
    await calls.step(schedule_task(task_id), status=RUNNING)
    await poll_task(client)
    async with open_stream(client, f"{BASE}/workflow-executions/{workflow_id}/stream/consolidated") as reader:
        await _stream(client, task_id, pb.STREAM_EVENT_TYPE_DATA, payload, workflow_id)
        event = await reader.event()
        assert event["data"] == f'{{"workflowExecutionId":"{workflow_id}","data":{payload}}}'
        await calls.submit(workflow_id, operation("op", payload.encode()), status=RUNNING)
        event = await reader.event()
        assert event["data"].endswith(f'"data":{{"operationId":"op","result":{payload}}}}}}}')


async def test_a_task_shows_how_its_state_changes(client: Client) -> None:
    """Started, tried again, completed: a snapshot each time."""
    task_id = await submit_task(client, max_retries=1)
    async with open_stream(client, f"{BASE}/task-executions/{task_id}/stream") as reader:
        await poll_task(client)
        name, snapshot = await reader.change()
        assert (name, snapshot["status"], snapshot["executionCount"]) == ("TASK_STARTED", "RUNNING", 1)
        await fail_task(client, task_id)
        await poll_task(client)
        await complete_task(client, task_id)
        while name != "TASK_COMPLETED":
            name, snapshot = await reader.change()
        assert (snapshot["id"], snapshot["executionCount"], snapshot["maxRetries"]) == (task_id, 2, 1)


async def test_a_workflow_streams_its_tasks_and_its_history(client: Client) -> None:
    """From the moment of watching on: what happened before is not shown."""
    workflow_id = await start(client)
    task_id = await submit_task(client, workflow_execution_id=workflow_id)
    await poll(client)
    await poll_task(client)
    async with open_stream(client, f"/api/v1/workflows/{workflow_id}/stream") as reader:
        await _stream(client, task_id, pb.STREAM_EVENT_TYPE_TOKEN, "{}", workflow_id)
        assert (await reader.event())["event"] == "token"
        await complete_task(client, task_id)
        assert await reader.change() == ("TASK_COMPLETED", {"id": task_id, "status": "COMPLETED"})
        await Calls(client).submit(workflow_id, complete(b"1"), status=COMPLETED)
        assert await reader.change() == ("WORKFLOW_COMPLETED", {"id": workflow_id, "status": "COMPLETED"})


async def test_a_family_streams_together(client: Client) -> None:
    """The descendants' events come, too, and each says whose it is."""

    async def child(_context: Context, data: Any) -> Any:
        return data

    async def parent(context: Context, _data: Any) -> Any:
        go = await context.promise("go")
        return await context.child("c", "child", go)

    worker = ReplayingWorker(client, {"parent": parent, "child": child})
    workflow_id = await worker.start("parent")
    async with worker.serving():
        history = await worker.until(workflow_id, "PROMISE_CREATED")
        promise_id = history[-1][1]["promiseId"]
        async with open_stream(client, f"{BASE}/workflow-executions/{workflow_id}/stream/consolidated") as reader:
            request = workflow_pb2.ResolvePromiseRequest(promise_id=promise_id, value=b"7")
            await client.dispatch.ResolvePromise(request, metadata=bearer())
            names: dict[str, list[str]] = {}
            while sum("WORKFLOW_COMPLETED" in each for each in names.values()) < 2:
                event = await reader.event()
                body = json.loads(event["data"])
                assert event["id"].startswith(body["workflowExecutionId"] + ":")
                names.setdefault(body["workflowExecutionId"], []).append(body["data"]["event"])
            assert names.pop(workflow_id)[:2] == ["PROMISE_RESOLVED", "CHILD_WORKFLOW_INITIATED"]
            assert list(names.values()) == [["WORKFLOW_STARTED", "WORKFLOW_COMPLETED"]]


async def test_a_drain_ends_streams_at_once(client: Client) -> None:
    """A stream must not hold up a shutdown."""
    task_id = await submit_task(client)
    async with open_stream(client, f"{BASE}/task-executions/{task_id}/stream") as reader:
        client.engine.streams.end()
        async with asyncio.timeout(5):
            while await reader.result.stream.read():
                pass


async def test_streams_of_what_is_not_there_are_refused(client: Client) -> None:
    """404 for unknown and foreign things, 429 when too many are open."""
    task_id = await submit_task(client)
    workflow_id = await start(client)
    for path in (f"/workflow-executions/{uuid4()}", f"/task-executions/{uuid4()}", "/task-executions/x"):
        assert (await client.rest("GET", f"{BASE}{path}/stream", key=WORKER_KEY)).status_code == 404
    for path in (f"/workflow-executions/{workflow_id}", f"/task-executions/{task_id}"):
        foreign = await client.rest("GET", f"/api/v1/tenants/other{path}/stream", key=OTHER_KEY)
        assert foreign.status_code == 404


async def test_too_many_streams_are_refused(database: str) -> None:
    """429, and no stream is left half open."""
    async with running_server(database, ENGINE__STREAMS="0") as client:
        task_id = await submit_task(client)
        answer = await client.rest("GET", f"{BASE}/task-executions/{task_id}/stream", key=WORKER_KEY)
        assert (answer.status_code, answer.json["code"]) == (429, "limit_exceeded")
