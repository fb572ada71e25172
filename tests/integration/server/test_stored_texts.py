"""Texts that older versions stored, or that only PostgreSQL's json type accepts, can be read everywhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from tests.support.calls import fail_task, poll_task, rows
from tests.support.driving import FAILED, Calls, fail, schedule_task
from tests.support.running import TENANT, WORKER_KEY, Client, running_server

HALF = '"\\ud800 \\\\ud800 \\ud83d\\ude00 \\u0000 \\udfff\\ud800"'
"""Halves of characters, what only looks like one, a whole character in two escapes, and a NUL character."""

READ = "\ufffd \\ud800 \U0001f600 \x00 \ufffd\ufffd"
"""How that is read."""


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    async with running_server(database) as client:
        yield client


async def _get(client: Client, path: str) -> Any:
    answer = await client.rest("GET", f"/api/v1/tenants/test/{path}", key=WORKER_KEY)
    assert answer.status_code == 200, (path, answer.text)
    return json.loads(answer.content)


async def _change(client: Client, statement: str, **parameters: Any) -> None:
    async with client.pool.connection() as connection:
        await connection.execute(statement.encode(), parameters)


async def _insert(client: Client, workflow_id: str, number: int, kind: str, data: str) -> None:
    await _change(
        client,
        "INSERT INTO workflow_event (tenant_id, workflow_execution_id, sequence, event_type, event_data)"
        " VALUES (%(tenant)s, %(workflow)s, %(number)s, %(kind)s, %(data)s::json)",
        tenant=TENANT,
        workflow=UUID(workflow_id),
        number=number,
        kind=kind,
        data=data,
    )


async def test_events_with_texts_that_are_none_can_be_read(client: Client) -> None:
    """Over REST, as a list, as the workflow's state, and over gRPC; keys of states among them."""
    calls = Calls(client)
    workflow_id = await calls.start()
    events = [
        ("SIGNAL_RECEIVED", f'{{"signalName":{HALF},"signalValue":{{{HALF}:[{HALF}]}}}}'),
        ("STATE_SET", f'{{"key":{HALF},"value":1}}'),
        ("STATE_SET", f'{{"key":"k","value":{{"a":{HALF}}}}}'),
        ("STATE_SET", '{"key" : "json_build_object", "value" : 2.50}'),
        ("STATE_SET", '{"key":"gone","value":"\\u0000"}'),
        ("STATE_CLEARED", '{"key":"gone"}'),
    ]
    for number, (kind, data) in enumerate(events, 2):
        await _insert(client, workflow_id, number, kind, data)
    shown = (await _get(client, f"workflow-executions/{workflow_id}/events"))["events"]
    assert shown[1]["data"] == {"signalName": READ, "signalValue": {READ: [READ]}}
    assert [data for _, _, data in await calls.events(workflow_id)] == [each["data"] for each in shown]
    state = (await _get(client, f"workflow-executions/{workflow_id}/state"))["state"]
    assert state == {READ: 1, "k": {"a": READ}, "json_build_object": 2.5}


async def test_payloads_with_texts_that_are_none_can_be_read(client: Client) -> None:
    """Of workflows, tasks, workers and kinds; by clients and by the workers that get them."""
    calls = Calls(client)
    workflow_id = await calls.start(queue="q")
    task = await client.rest(
        "POST", "/api/v1/tenants/test/task-executions", {"kind": "k", "queue": "q"}, key=WORKER_KEY
    )
    await _change(client, "UPDATE workflow_execution SET input = %(data)s::json, output = %(data)s::json", data=HALF)
    await _change(client, "UPDATE task_execution SET input = %(data)s::json, output = %(data)s::json", data=HALF)
    for path in (f"workflow-executions/{workflow_id}", f"task-executions/{task.json['id']}"):
        found = await _get(client, path)
        assert (found["input"], found["output"]) == (READ, READ)
    await _get(client, "workflow-executions")
    workflow, claimed = await calls.claim("q"), await poll_task(client, "q")
    assert claimed is not None
    assert [json.loads(workflow.input), json.loads(claimed.input)] == [READ, READ]


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800"])
async def test_a_workflow_whose_payloads_postgresql_cannot_take_apart_can_be_retried(client: Client, text: str) -> None:
    """Its tasks get their retries back."""
    calls, task_id = Calls(client), str(uuid4())
    await calls.start()
    workflow_id = await calls.step(schedule_task(task_id, data=b'"\\u0000"', max_retries=0))
    await _change(
        client,
        "UPDATE workflow_event SET event_data = replace(event_data::text, '\\u0000', %(text)s)::json",
        text=text,
    )
    assert await poll_task(client) is not None
    await fail_task(client, task_id)
    await calls.step(fail("boom"), status=FAILED)
    answer = await client.rest(
        "POST", f"/api/v1/tenants/test/workflow-executions/{workflow_id}/retry", {}, key=WORKER_KEY
    )
    assert answer.status_code == 200, answer.text
    found = await rows(client, "SELECT status, max_retries FROM task_execution")
    assert found == [("PENDING", 1)]


async def test_a_watcher_sees_states_with_texts_that_are_none(client: Client) -> None:
    """One such event does not end the streams of everybody."""
    calls = Calls(client)
    workflow_id = await calls.start()
    key = (TENANT, UUID(workflow_id))
    streams = client.engine.streams
    async with streams.subscribe(key) as watch, streams.follow_workflow(key, watch, descendants=False):
        await _insert(client, workflow_id, 2, "STATE_SET", f'{{"key":{HALF},"value":1.10}}')
        async with asyncio.timeout(20):
            await watch.wait(20)
    shown = watch.take()[0][0].payload
    assert json.loads(shown)["data"] == {"key": READ, "value": 1.1}
