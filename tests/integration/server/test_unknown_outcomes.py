"""A connection that breaks around a commit: the outcome of the call is unknown, and trying again must be safe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest
import pytest_asyncio

from proto.flovyn.v1 import task_pb2
from proto.flovyn.v1 import workflow_pb2 as pb
from tests.support.calls import poll, poll_task, rows, start, status_of, submit_task
from tests.support.driving import signal_with_start
from tests.support.proxy import AROUND_COMMIT, Cut, Proxy, proxied
from tests.support.repetitions import times
from tests.support.running import Client, bearer, running_server

Create = Callable[[Client, str], Awaitable[str]]


@pytest_asyncio.fixture
async def behind(database: str) -> AsyncIterator[tuple[Client, Proxy]]:
    """A running server, and what stands between it and its database."""
    async with proxied(database) as (proxy, url), running_server(url) as client:
        yield client, proxy


async def _start(client: Client, key: str) -> str:
    return await start(client, idempotency_key=key)


async def _submit_task(client: Client, key: str) -> str:
    return await submit_task(client, idempotency_key=key)


async def _signal_with_start(client: Client, key: str) -> str:
    answer: pb.SignalWithStartWorkflowResponse = await client.dispatch.SignalWithStartWorkflow(
        signal_with_start(key), metadata=bearer()
    )
    return answer.workflow_execution_id


@pytest.mark.parametrize("cut", AROUND_COMMIT)
@pytest.mark.parametrize(
    ("create", "table"),
    [(_start, "workflow_execution"), (_signal_with_start, "workflow_execution"), (_submit_task, "task_execution")],
)
async def test_a_creation_of_unknown_outcome_is_repeatable(
    behind: tuple[Client, Proxy], create: Create, table: str, cut: Cut
) -> None:
    """UNAVAILABLE; the same call again gives the id of what was committed, if it was; there is one in the end."""
    client, proxy = behind
    for number in range(times(3, 100)):
        key = f"key-{number}"
        proxy.cut_next(cut, key)
        code, text = await status_of(create(client, key))
        assert (code, "try again" in text, proxy.cuts) == (grpc.StatusCode.UNAVAILABLE, True, number + 1)
        before = {str(each) for (each,) in await rows(client, f"SELECT id FROM {table}")}
        assert len(before) == number + (cut is Cut.AFTER)
        again = await create(client, key)
        assert await create(client, key) == again
        after = {str(each) for (each,) in await rows(client, f"SELECT id FROM {table}")}
        assert (len(after), again in after) == (number + 1, True)


@pytest.mark.parametrize(
    ("create", "ask", "table"), [(start, poll, "workflow_execution"), (submit_task, poll_task, "task_execution")]
)
async def test_work_whose_claim_has_an_unknown_outcome_is_pending_again(
    behind: tuple[Client, Proxy], create: Callable[..., Awaitable[str]], ask: Callable[..., Awaitable[Any]], table: str
) -> None:
    """The connection breaks after the claim was carried out: the poll fails, the next one gets the work; no attempt."""
    client, proxy = behind
    for number in range(times(3, 100)):
        mark = f"worker-{number}"
        await ask(client, worker_id=mark)
        await client.engine.workers.close()  # the worker's sign of life is written, and no more soon
        created = await create(client)
        proxy.cut_next(Cut.AFTER_STATEMENT, mark)
        code, _ = await status_of(ask(client, worker_id=mark))
        assert (code, proxy.cuts) == (grpc.StatusCode.UNAVAILABLE, number + 1)
        async with asyncio.timeout(10):
            while (work := await ask(client)) is None:
                pass
        assert created in str(work)
        query = f"SELECT count(*), count(*) FILTER (WHERE worker_id = '{mark}') FROM {table} WHERE status = 'RUNNING'"
        assert await rows(client, query) == [(number + 1, 0)]
        if isinstance(work, task_pb2.TaskExecutionInfo):
            assert work.execution_count == 1
