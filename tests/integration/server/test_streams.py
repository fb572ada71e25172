"""What tasks stream reaches those who watch, through whichever server."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import grpc

from core.domain.stream import Shown
from proto.flovyn.v1 import task_pb2 as pb
from server.engine.streams import Watch
from tests.support.calls import poll_task, start, status_of, submit_task
from tests.support.running import TENANT, Client, bearer, running_server


async def _stream(client: Client, task_id: str, payload: str, **fields: Any) -> bool:
    request = pb.StreamTaskDataRequest(
        **{"task_execution_id": task_id, "payload": payload, "type": pb.STREAM_EVENT_TYPE_TOKEN, **fields}
    )
    answer = await client.tasks.StreamTaskData(request, metadata=bearer())
    return bool(answer.acknowledged)


async def _seen(watch: Watch, count: int) -> list[Shown]:
    seen: list[Shown] = []
    async with asyncio.timeout(10):
        while len(seen) < count:
            await watch.wait(10)
            seen += watch.take()[0]
    return seen


async def test_chunks_reach_watchers_at_another_server(database: str) -> None:
    """In the order of their arrival, equal ones too, large ones and such with any character whole."""
    texts = ["a", "a", "b", "\N{SNOWMAN}" * 20_000, "", "a\nb\x00"]
    async with running_server(database) as here, running_server(database) as there:
        run_id = await start(here)
        task_id = await submit_task(here, workflow_execution_id=run_id)
        await asyncio.wait_for(there.boot.listening.connected.wait(), 5)
        watch = there.boot.task_engine.streams.watch
        async with watch((TENANT, UUID(task_id))) as task, watch((TENANT, UUID(run_id))) as run:
            for text in texts:
                assert await _stream(here, task_id, text, workflow_execution_id=run_id)
            expected = [text.replace("\x00", "\ufffd") for text in texts]
            assert [chunk.payload for chunk in await _seen(task, len(texts))] == expected
            assert [chunk.payload for chunk in await _seen(run, len(texts))] == expected


async def test_progress_is_streamed_too(database: str) -> None:
    """What a task reports is shown as it would have streamed it itself, under its run as well."""
    async with running_server(database) as client:
        run_id = await start(client)
        task_id = await submit_task(client, workflow_execution_id=run_id)
        await poll_task(client)
        await asyncio.wait_for(client.boot.listening.connected.wait(), 5)
        async with client.boot.task_engine.streams.watch((TENANT, UUID(run_id))) as watch:
            for details in ("", "half"):
                request = pb.ReportProgressRequest(task_execution_id=task_id, progress=0.5, details=details)
                await client.tasks.ReportProgress(request, metadata=bearer())
            shown = [json.loads(chunk.payload) for chunk in await _seen(watch, 2)]
            assert shown == [
                {"type": "progress", "progress": 0.5},
                {"type": "progress", "progress": 0.5, "details": "half"},
            ]


async def test_streaming_breaks_no_task(database: str) -> None:
    """An unknown task and nobody who listens are acknowledged; a type that is none is refused."""
    async with running_server(database) as client:
        assert await _stream(client, str(uuid4()), "not even JSON")
        for wrong in (0, 17):
            code, text = await status_of(_stream(client, str(uuid4()), "x", type=wrong))
            assert (code, "type" in text) == (grpc.StatusCode.INVALID_ARGUMENT, True)
