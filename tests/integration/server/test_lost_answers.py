"""The answer to a poll does not reach its worker, who polls on: the work comes back long before its lease is over."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import grpc
import pytest
import pytest_asyncio

from proto.flovyn.v1 import task_pb2, workflow_pb2
from tests.support.calls import events, poll, poll_task, rows, start, submit_task
from tests.support.repetitions import times
from tests.support.running import TENANT, Client, another_connection, bearer, running_server

POLL = workflow_pb2.PollRequest(worker_id="w", tenant_id=str(TENANT))


@pytest_asyncio.fixture
async def client(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """A running server that concludes at once."""
    monkeypatch.setattr("server.engine.dispatch.receipts.GRACE_S", 0.0)
    async with running_server(database) as client:
        yield client


async def test_a_workflow_that_its_worker_never_read_comes_back(client: Client) -> None:
    """The poll's answer was lost on the wire, the worker polls on; the claim is not counted as the worker's fault."""
    workflow_id = await start(client)
    assert await poll(client) is not None
    async with asyncio.timeout(10):
        while (again := await poll(client)) is None:
            pass
    assert again.id == workflow_id


async def test_a_workflow_that_its_worker_has_read_stays_out(client: Client) -> None:
    """However long the activation takes."""
    workflow_id = await start(client)
    assert await poll(client) is not None
    await events(client, workflow_id)
    for _ in range(5):
        assert await poll(client) is None
    assert await rows(client, "SELECT status FROM workflow_execution") == [("RUNNING",)]


async def test_a_task_comes_back_to_a_worker_that_has_lost_its_connection(client: Client) -> None:
    """It polls over another one; no attempt is counted."""
    task_id = await submit_task(client)
    async with another_connection(client) as lost:
        request = task_pb2.PollTaskRequest(worker_id="w", tenant_id=str(TENANT))
        assert (await lost.tasks.PollTask(request, metadata=bearer())).HasField("task")
    async with another_connection(client) as new, asyncio.timeout(10):
        while not (again := await new.tasks.PollTask(request, metadata=bearer())).HasField("task"):
            pass
    assert (again.task.task_execution_id, again.task.execution_count) == (task_id, 1)


async def test_a_task_of_a_worker_that_polls_on_over_its_connection_stays_out(client: Client) -> None:
    """Workers poll for more tasks while they work."""
    await submit_task(client)
    assert await poll_task(client) is not None
    for _ in range(5):
        assert await poll_task(client) is None


@pytest.mark.parametrize("ask", ["PollWorkflow", "PollTask"])
async def test_a_poll_whose_deadline_is_near_gets_no_work(client: Client, ask: str) -> None:
    """The answer would hardly reach the caller: the work stays for others."""
    workflow_id, task_id = await start(client), await submit_task(client)
    stub, request = {
        "PollWorkflow": (client.dispatch, POLL),
        "PollTask": (client.tasks, task_pb2.PollTaskRequest(worker_id="w", tenant_id=str(TENANT))),
    }[ask]
    for _ in range(20):
        with suppress(grpc.aio.AioRpcError):  # the deadline
            answer = await getattr(stub, ask)(request, metadata=bearer(), timeout=0.015)
            assert not answer.ListFields()
    assert {str(each) for (each,) in await rows(client, "SELECT id FROM task_execution WHERE status = 'PENDING'")} == {
        task_id
    }
    assert await rows(client, f"SELECT status FROM workflow_execution WHERE id = '{workflow_id}'") == [("PENDING",)]


async def _impatient(client: Client, mode: str, expected: int, got: set[str]) -> None:
    """Poll with calls that end at any moment; read the history of what comes, as workers do."""
    dice = random.Random(mode)  # noqa: S311 - not a secret
    while len(got) < expected:
        async with another_connection(client) as connection:
            call: Any = connection.dispatch.PollWorkflow(POLL, metadata=bearer(), timeout=10)
            polling = asyncio.ensure_future(call)
            await asyncio.wait([polling], timeout=dice.uniform(0.005, 0.06))
            if mode == "cancel":
                call.cancel()
            if mode == "wait" or polling.done():
                found = (await polling).workflow_execution.id if not call.cancelled() else ""
                if found:
                    await events(client, found)
                    got.add(found)
        await asyncio.gather(polling, return_exceptions=True)


@pytest.mark.parametrize("mode", ["cancel", "close"])
async def test_workflows_of_polls_that_end_at_any_moment_all_come_back(
    database: str, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """Cancelled, or their connection closed; the lease has no part in it: it takes five minutes."""
    monkeypatch.setattr("server.engine.dispatch.receipts.GRACE_S", 0.5)
    expected = times(60, 1000)
    async with running_server(database, ENGINE__POLL_HOLD_MS="1000") as client:
        got: set[str] = set()
        pollers = [asyncio.create_task(_impatient(client, kind, expected, got)) for kind in (mode, mode, mode, "wait")]
        started = {await start(client) for _ in range(expected)}
        async with asyncio.timeout(times(40, 300)):
            await asyncio.gather(*pollers)
        assert got == started
