"""The notes of running tasks: progress, heartbeats, logs and state."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio

from proto.flovyn.v1 import task_pb2 as pb
from tests.support.calls import complete_task, fail_task, poll_task, rows, status_of, submit_task
from tests.support.running import OTHER_KEY, WORKER_KEY, Client, bearer, running_server


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    """A running server."""
    async with running_server(database) as client:
        yield client


async def _running(client: Client, **fields: Any) -> str:
    task_id = await submit_task(client, **fields)
    await poll_task(client)
    return task_id


async def _get(client: Client, task_id: str, key: str) -> tuple[bytes, bool]:
    answer = await client.tasks.GetState(pb.GetStateRequest(task_execution_id=task_id, key=key), metadata=bearer())
    return answer.value, answer.found


async def _set(client: Client, task_id: str, key: str, value: bytes) -> None:
    request = pb.SetStateRequest(task_execution_id=task_id, key=key, value=value)
    await client.tasks.SetState(request, metadata=bearer())


async def _keys(client: Client, task_id: str) -> list[str]:
    answer = await client.tasks.GetStateKeys(pb.GetStateKeysRequest(task_execution_id=task_id), metadata=bearer())
    return list(answer.keys)


async def test_state_survives_attempts(client: Client) -> None:
    """The next attempt finds state as the former sent it; an absent key is not found, an empty value is null."""
    task_id = await _running(client, max_retries=1)
    await _set(client, task_id, "b", b'{"n": 1.0}')
    await _set(client, task_id, "a", b"")
    await fail_task(client, task_id)
    await poll_task(client)
    assert await _get(client, task_id, "b") == (b'{"n": 1.0}', True)
    assert await _get(client, task_id, "a") == (b"null", True)
    assert await _get(client, task_id, "c") == (b"", False)
    assert await _keys(client, task_id) == ["a", "b"]


async def test_state_is_cleared_by_key_and_whole(client: Client) -> None:
    """One key, a key that is not there, then everything; another task's state stays."""
    task_id, other = await _running(client), await _running(client)
    for key in "abc":
        await _set(client, task_id, key, b"1")
        await _set(client, other, key, b"1")
    for key in ("b", "z"):
        await client.tasks.ClearState(pb.ClearStateRequest(task_execution_id=task_id, key=key), metadata=bearer())
    assert await _keys(client, task_id) == ["a", "c"]
    await client.tasks.ClearAllState(pb.ClearAllStateRequest(task_execution_id=task_id), metadata=bearer())
    assert await _keys(client, task_id) == []
    assert await _keys(client, other) == ["a", "b", "c"]


async def test_writes_at_once_do_not_get_in_each_others_way(client: Client) -> None:
    """Fifty keys of two tasks, written and overwritten at once: the last value that was sent for each stays."""
    tasks = [await _running(client) for _ in range(2)]
    for value in (b"1", b"2"):
        await asyncio.gather(*(_set(client, task, f"k{n:02}", value) for n in range(50) for task in tasks))
    for task in tasks:
        assert await _keys(client, task) == [f"k{n:02}" for n in range(50)]
        assert await _get(client, task, "k17") == (b"2", True)


async def test_log_lines_keep_their_order_and_a_known_level(client: Client) -> None:
    """Levels in any case; an unknown one is INFO, so that no line is lost."""
    task_id = await _running(client)
    for level, message in (("debug", "one"), ("WARN", "two"), ("Error", "three"), ("loud", "four\x00")):
        request = pb.LogMessageRequest(task_execution_id=task_id, level=level, message=message)
        await client.tasks.LogMessage(request, metadata=bearer())
    lines = await rows(client, "SELECT level, message FROM task_log ORDER BY id")
    assert lines == [("DEBUG", "one"), ("WARN", "two"), ("ERROR", "three"), ("INFO", "four\ufffd")]


async def test_the_last_progress_counts(client: Client) -> None:
    """Progress and details are overwritten; out of range is refused."""
    task_id = await _running(client)
    for progress, details in ((0.25, "a quarter"), (1.0, "")):
        request = pb.ReportProgressRequest(task_execution_id=task_id, progress=progress, details=details)
        await client.tasks.ReportProgress(request, metadata=bearer())
    assert await rows(client, "SELECT progress, progress_details FROM task_execution") == [(1.0, None)]
    for wrong in (-0.1, 1.1, float("nan"), float("inf")):
        call = client.tasks.ReportProgress(
            pb.ReportProgressRequest(task_execution_id=task_id, progress=wrong), metadata=bearer()
        )
        code, text = await status_of(call)
        assert (code, "progress" in text) == (grpc.StatusCode.INVALID_ARGUMENT, True)


async def test_a_heartbeat_tells_a_worker_that_its_task_was_cancelled(client: Client) -> None:
    """OK and a time stamp while the task runs; FAILED_PRECONDITION with the state once it does not."""
    task_id = await _running(client)
    beat = pb.HeartbeatRequest(task_execution_id=task_id)
    await client.tasks.Heartbeat(beat, metadata=bearer())
    assert await rows(client, "SELECT last_heartbeat_at IS NOT NULL FROM task_execution") == [(True,)]
    await client.tasks.CancelTask(pb.CancelTaskRequest(task_execution_id=task_id), metadata=bearer())
    code, text = await status_of(client.tasks.Heartbeat(beat, metadata=bearer()))
    assert (code, "CANCELLED" in text) == (grpc.StatusCode.FAILED_PRECONDITION, True)


async def test_progress_of_a_task_that_does_not_run_is_refused(client: Client) -> None:
    """FAILED_PRECONDITION before the first attempt and after the last."""
    waiting, ended = await submit_task(client, queue="q"), await _running(client)
    await complete_task(client, ended)
    for task_id in (waiting, ended):
        call = client.tasks.ReportProgress(pb.ReportProgressRequest(task_execution_id=task_id), metadata=bearer())
        assert (await status_of(call))[0] is grpc.StatusCode.FAILED_PRECONDITION


CALLS = [
    ("ReportProgress", pb.ReportProgressRequest, {}),
    ("Heartbeat", pb.HeartbeatRequest, {}),
    ("LogMessage", pb.LogMessageRequest, {"level": "INFO"}),
    ("GetState", pb.GetStateRequest, {"key": "k"}),
    ("SetState", pb.SetStateRequest, {"key": "k"}),
    ("ClearState", pb.ClearStateRequest, {"key": "k"}),
    ("ClearAllState", pb.ClearAllStateRequest, {}),
    ("GetStateKeys", pb.GetStateKeysRequest, {}),
    ("CancelTask", pb.CancelTaskRequest, {}),
    ("FailTask", pb.FailTaskRequest, {}),
]


@pytest.mark.parametrize(("name", "message", "fields"), CALLS, ids=[call[0] for call in CALLS])
async def test_every_call_knows_its_tasks(client: Client, name: str, message: Any, fields: dict[str, Any]) -> None:
    """Unknown and foreign tasks are NOT_FOUND; ids that are none, INVALID_ARGUMENT; neighbours are served."""
    task_id = await _running(client)
    call = getattr(client.tasks, name)

    def refused(task_id: str, key: str = WORKER_KEY) -> Any:
        return status_of(call(message(task_execution_id=task_id, **fields), metadata=bearer(key)))

    here, there, nowhere, malformed = await asyncio.gather(
        call(message(task_execution_id=task_id, **fields), metadata=bearer()),
        refused(task_id, OTHER_KEY),
        refused(str(uuid4())),
        refused("x"),
    )
    assert here is not None
    assert (there[0], nowhere[0]) == (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.NOT_FOUND)
    assert (malformed[0], "task_execution_id" in malformed[1]) == (grpc.StatusCode.INVALID_ARGUMENT, True)
