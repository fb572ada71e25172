"""The data that tasks stream reach the subscribers, through whichever server."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest

from core.errors import Unavailable
from proto.flovyn.v1 import task_pb2 as pb
from server.domain.stream import StreamItem
from server.engine.streams import sources as stream_sources
from server.engine.streams.streams import Subscription
from server.storage.stream_tail import StreamTailRepository
from tests.support.calls import complete_task, poll_task, start, status_of, submit_task
from tests.support.running import CONFIG, OTHER_KEY, TENANT, WORKER_KEY, Client, bearer, running_server


async def _stream(client: Client, task_id: str, payload: str, *, key: str = WORKER_KEY, **fields: Any) -> bool:
    request = pb.StreamTaskDataRequest(
        **{"task_execution_id": task_id, "payload": payload, "type": pb.STREAM_EVENT_TYPE_TOKEN, **fields}
    )
    answer = await client.tasks.StreamTaskData(request, metadata=bearer(key))
    return bool(answer.acknowledged)


async def _seen(watch: Subscription, count: int) -> list[StreamItem]:
    seen: list[StreamItem] = []
    async with asyncio.timeout(10):
        while len(seen) < count:
            await watch.wait(10)
            seen += watch.take()[0]
    return seen


async def test_chunks_reach_watchers_at_another_server(database: str) -> None:
    """In the order of their arrival, equal ones too, large ones and such with any character whole."""
    texts = ["a", "a", "b", "\N{SNOWMAN}" * 20_000, "", "a\nb\x00"]
    async with running_server(database) as here, running_server(database) as there:
        workflow_id = await start(here)
        task_id = await submit_task(here, workflow_execution_id=workflow_id)
        await poll_task(here)
        await asyncio.wait_for(there.listening.connected.wait(), 5)
        watch = there.engine.streams.subscribe
        async with watch((TENANT, UUID(task_id))) as task, watch((TENANT, UUID(workflow_id))) as workflow:
            for text in texts:
                assert await _stream(here, task_id, text, workflow_execution_id=workflow_id)
            expected = [text.replace("\x00", "\ufffd") for text in texts]
            assert [chunk.payload for chunk in await _seen(task, len(texts))] == expected
            assert [chunk.payload for chunk in await _seen(workflow, len(texts))] == expected


async def test_progress_is_streamed_too(database: str) -> None:
    """A report of a task is streamed to the subscribers of the task and of its workflow."""
    async with running_server(database) as client:
        workflow_id = await start(client)
        task_id = await submit_task(client, workflow_execution_id=workflow_id)
        await poll_task(client)
        await asyncio.wait_for(client.listening.connected.wait(), 5)
        async with client.engine.streams.subscribe((TENANT, UUID(workflow_id))) as watch:
            for details in ("", "half"):
                request = pb.ReportProgressRequest(task_execution_id=task_id, progress=0.5, details=details)
                await client.tasks.ReportProgress(request, metadata=bearer())
            shown = [json.loads(chunk.payload) for chunk in await _seen(watch, 2)]
            assert shown == [
                {"type": "progress", "progress": 0.5},
                {"type": "progress", "progress": 0.5, "details": "half"},
            ]


async def test_streaming_breaks_no_task(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data are acknowledged when the task has ended or cannot be looked up, and when no subscriber listens."""
    monkeypatch.setattr(stream_sources, "TRUST_S", 0.0)
    async with running_server(database) as client:
        task_id = await submit_task(client)
        assert await _stream(client, task_id, "not even JSON")
        await poll_task(client)
        assert await _stream(client, task_id, "not even JSON")
        for wrong in (0, 17):
            code, text = await status_of(_stream(client, task_id, "x", type=wrong))
            assert (code, "type" in text) == (grpc.StatusCode.INVALID_ARGUMENT, True)
        await complete_task(client, task_id)
        assert await _stream(client, task_id, "late")

        async def away(_tasks: Any) -> Any:
            raise Unavailable("the database cannot serve this call at the moment; try again")

        monkeypatch.setattr(StreamTailRepository, "sources", lambda _self, tasks: away(tasks))
        assert await _stream(client, task_id, "later")


async def test_only_running_tasks_of_the_tenant_stream(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Subscribers see nothing of tasks that are not claimed, that ended, or that are another tenant's."""
    monkeypatch.setattr(stream_sources, "TRUST_S", 0.0)
    async with running_server(database) as client:
        workflow_id, other_workflow_id = await start(client), await start(client)
        waiting, ended, running = [
            await submit_task(client, queue=each, workflow_execution_id=workflow_id) for each in "abc"
        ]
        await poll_task(client, "b")
        await complete_task(client, ended)
        await poll_task(client, "c")
        await asyncio.wait_for(client.listening.connected.wait(), 5)
        watch = client.engine.streams.subscribe
        async with watch((TENANT, UUID(workflow_id))) as workflow, watch((TENANT, UUID(other_workflow_id))) as other:
            for task_id in (waiting, ended):
                assert await _stream(client, task_id, "unseen", workflow_execution_id=workflow_id)
            assert await _stream(client, running, "seen", workflow_execution_id=other_workflow_id)
            assert [chunk.payload for chunk in await _seen(workflow, 1)] == ["seen"]
            assert other.take() == ([], 0)  # the workflow that the task names is not believed
        for task_id, key in ((str(uuid4()), WORKER_KEY), (running, OTHER_KEY)):
            code, text = await status_of(_stream(client, task_id, "x", key=key))
            assert (code, task_id in text) == (grpc.StatusCode.NOT_FOUND, True)


async def test_streaming_needs_the_right_to_write(database: str) -> None:
    """A member may look at tasks and watch their streams; to stream for one is refused."""
    member = "key-of-a-member-0123456789"
    entry = {"key": member, "tenant_id": str(TENANT), "principal_type": "User", "role": "MEMBER"}
    keys = {"keys": [*CONFIG["auth"]["static_api_key"]["keys"], entry]}
    auth = {"static_api_key": keys, "endpoints": {"grpc": {"authorizer": "roles"}}}
    async with running_server(database, config={**CONFIG, "auth": auth}) as client:
        task_id = await submit_task(client)
        await poll_task(client)
        code, _ = await status_of(_stream(client, task_id, "x", key=member))
        assert code is grpc.StatusCode.PERMISSION_DENIED
        assert await _stream(client, task_id, "x")


async def test_a_task_that_streams_a_lot_is_looked_up_once(database: str) -> None:
    """Chunks of a running task cost no statement each; tasks are forgotten when there are too many."""
    async with running_server(database) as client:
        task_id = await submit_task(client)
        await poll_task(client)
        asked: list[int] = []
        storage = client.engine.streams.sources._storage
        now = 0.0
        sources = stream_sources.StreamSources(storage, lambda: now)
        original = storage.sources

        async def counted(tasks: Any) -> Any:
            asked.append(len(tasks))
            return await original(tasks)

        storage.sources = counted  # type: ignore[method-assign]
        key = (TENANT, UUID(task_id))
        for _ in range(100):
            assert (await sources.of(key)).running
        assert asked == [1]
        now += stream_sources.TRUST_S
        assert (await sources.of(key)).running
        assert asked == [1, 1]
