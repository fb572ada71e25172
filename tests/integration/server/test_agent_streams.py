"""Streams of agents: their chunks and changes of state, and those of their tasks and children."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from proto.flovyn.v1 import agent_pb2 as pb
from proto.flovyn.v1 import task_pb2
from server.rest_api.resources import streams
from tests.support.agents import BASE, Agents, task_id
from tests.support.event_streams import Reader, open_stream
from tests.support.running import OTHER_KEY, bearer, running_server


@pytest_asyncio.fixture
async def agents(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Agents]:
    """A running server that listens for chunks, and finds out soon that a client has gone."""
    monkeypatch.setattr(streams, "KEEP_ALIVE_S", 0.1)
    async with running_server(database) as client:
        await asyncio.wait_for(client.listening.connected.wait(), 5)
        yield Agents(client)


async def _until(reader: Reader, name: str) -> dict[str, Any]:
    """Return the data of the next event of a name."""
    while (event := await reader.event())["event"] != name:
        pass
    data: dict[str, Any] = json.loads(event["data"])
    return data


async def test_an_agent_streams_its_chunks(agents: Agents) -> None:
    """Every kind by its name, in the order of arrival, payloads as they were sent; sequences may come again."""
    agent = await agents.create()
    await agents.claim()
    async with open_stream(agents.client, f"{BASE}/{agent}/stream") as reader:
        kinds = ("token", "progress", "data", "error", "tool_start", "tool_end")
        await agents.stream(agent, [(number, f'{{"n": {number}.0}}') for number in range(1, 7)])
        await agents.stream(agent, [(pb.AGENT_TOKEN, '{"text":"again"}')])
        events = [await reader.event() for _ in range(7)]
        assert [event["event"] for event in events] == [*kinds, "token"]
        assert events[2]["data"] == '{"n": 3.0}'


async def test_an_agent_shows_how_its_state_changes(agents: Agents) -> None:
    """From its claim to its end; its tasks are not in its own stream."""
    agent = await agents.create()
    async with open_stream(agents.client, f"{BASE}/{agent}/stream") as reader:
        await agents.claim()
        assert await _until(reader, "agent.started") == {"agentExecutionId": agent, "status": "RUNNING"}
        await agents.schedule(agent, "k")
        assert await agents.checkpoint(agent) == 1
        assert (await _until(reader, "agent.checkpoint"))["sequence"] == 1
        await agents.suspend_for_tasks(agent, "k")
        waiting = {"agentExecutionId": agent, "status": "WAITING", "reason": "tasks"}
        assert await _until(reader, "agent.waiting") == waiting
        await agents.finish_task((await agents.task()).task_execution_id)
        await agents.claim()
        event = await reader.event()
        assert (event["event"], json.loads(event["data"])["status"]) == ("agent.resumed", "RUNNING")
        await agents.suspend(agent, wait_for_signal="s")
        assert (await _until(reader, "agent.waiting"))["reason"] == "signal"
        await agents.rest("DELETE", f"/{agent}")
        assert (await _until(reader, "agent.cancelled"))["status"] == "CANCELLED"


async def test_a_family_streams_its_tasks_and_children(agents: Agents) -> None:
    """Each event names its agent, and its task if it has one."""
    parent = await agents.create()
    await agents.claim()
    path = f"/api/v1/tenants/test/agent-executions/{parent}/stream/consolidated"
    async with open_stream(agents.client, path) as reader:
        await agents.schedule(parent, "k")
        task = task_id("k")
        created = await _until(reader, "task.created")
        assert (created["agentExecutionId"], created["taskExecutionId"]) == (parent, task)
        assert created["data"]["status"] == "PENDING"
        await agents.task()
        chunk = task_pb2.StreamTaskDataRequest(
            task_execution_id=task, type=task_pb2.STREAM_EVENT_TYPE_TOKEN, payload='{"text":"x"}'
        )
        await agents.client.tasks.StreamTaskData(chunk, metadata=bearer())
        token = await _until(reader, "token")
        assert token == {"agentExecutionId": parent, "taskExecutionId": task, "data": {"text": "x"}}
        await agents.finish_task(task)
        assert (await _until(reader, "task.completed"))["data"]["status"] == "COMPLETED"
        child = await agents.spawn(parent)
        await agents.claim()
        assert (await _until(reader, "agent.started"))["agentExecutionId"] == child
        await agents.stream(child, [(pb.AGENT_DATA, '{"data":1}')])
        assert await _until(reader, "data") == {"agentExecutionId": child, "data": {"data": 1}}
        await agents.fail(child, "no luck")
        failed = await _until(reader, "agent.failed")
        assert (failed["agentExecutionId"], failed["data"]["error"]) == (child, "no luck")


async def test_streams_of_unknown_agents_are_not_found(agents: Agents) -> None:
    """Those of another tenant neither."""
    agent = await agents.create()
    for path in ("stream", "stream/consolidated"):
        assert (await agents.rest("GET", f"/{'0' * 8}-0000-4000-8000-{'0' * 12}/{path}")).status_code == 404
        answer = await agents.client.rest("GET", f"/api/orgs/other/agent-executions/{agent}/{path}", key=OTHER_KEY)
        assert answer.status_code == 404


async def test_streaming_never_fails(agents: Agents) -> None:
    """Unknown and ended agents, ids that are none, odd payloads, an empty stream: workers fail their agents otherwise."""
    agent = await agents.create()
    await agents.claim()
    await agents.complete(agent)
    for ident in (agent, "x", "", "00000000-0000-4000-8000-000000000000"):
        await agents.stream(ident, [(pb.AGENT_TOKEN, "no json"), (99, ""), (pb.AGENT_DATA, "x" * 2_000_000)])
    await agents.stream(agent, [])
