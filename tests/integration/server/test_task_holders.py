"""A report on an older attempt at a task never ends a newer one, and never keeps it alive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest
import pytest_asyncio

from proto.flovyn.v1 import task_pb2 as pb
from tests.support.calls import rows, status_of, submit_task
from tests.support.running import TENANT, Client, Connection, another_connection, bearer, running_server

WRONG_STATE = grpc.StatusCode.FAILED_PRECONDITION
LONG_AGO = "now() - interval '301 seconds'"

Report = Callable[[Connection, str], Awaitable[Any]]


def _call(name: str, **fields: Any) -> Report:
    async def call(worker: Connection, task_id: str) -> Any:
        request = getattr(pb, f"{name}Request")(task_execution_id=task_id, **fields)
        return await getattr(worker.tasks, name)(request, metadata=bearer())

    return call


_complete, _fail, _beat = _call("CompleteTask", output=b'"old"'), _call("FailTask", error="old"), _call("Heartbeat")
REPORTS = {"complete": _complete, "fail": _fail, "heartbeat": _beat, "progress": _call("ReportProgress", progress=0.5)}


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    """A running server."""
    async with running_server(database) as client:
        yield client


@pytest_asyncio.fixture
async def first(client: Client) -> AsyncIterator[Connection]:
    """A worker."""
    async with another_connection(client) as connection:
        yield connection


@pytest_asyncio.fixture
async def second(client: Client) -> AsyncIterator[Connection]:
    """Another worker of the same name."""
    async with another_connection(client) as connection:
        yield connection


async def _poll(worker: Connection) -> None:
    request = pb.PollTaskRequest(worker_id="w", tenant_id=str(TENANT))
    answer = await worker.tasks.PollTask(request, metadata=bearer())
    assert answer.HasField("task")


async def _lease_over(client: Client) -> None:
    """End the lease of the running attempt."""
    async with client.pool.connection() as connection:
        await connection.execute(f"UPDATE task_execution SET claimed_at = {LONG_AGO}, last_heartbeat_at = {LONG_AGO}")
    assert await client.engine.tasks.reclaim(300) == 1


async def _state(client: Client) -> tuple[Any, ...]:
    return (await rows(client, "SELECT status, execution_count, output::text FROM task_execution"))[0]


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS.keys())
async def test_a_former_holder_cannot_report_on_a_newer_attempt(
    client: Client, first: Connection, second: Connection, report: Report
) -> None:
    """It hears that another worker has the task; that worker's attempt goes on, and its lease is its own."""
    task_id = await submit_task(client, max_retries=3)
    await _poll(first)
    await _lease_over(client)
    await _poll(second)
    async with client.pool.connection() as connection:
        await connection.execute(f"UPDATE task_execution SET claimed_at = {LONG_AGO}")
    code, text = await status_of(report(first, task_id))
    assert (code, "another worker" in text) == (WRONG_STATE, True)
    assert await rows(client, "SELECT last_heartbeat_at, progress FROM task_execution") == [(None, None)]
    assert await _state(client) == ("RUNNING", 2, None)
    await _call("CompleteTask", output=b'"new"')(second, task_id)
    assert await _state(client) == ("COMPLETED", 2, '"new"')


async def test_a_failure_that_is_reported_twice_ends_one_attempt(
    client: Client, first: Connection, second: Connection
) -> None:
    """The answer to the first report was lost, and another worker has the task by the time of the second."""
    task_id = await submit_task(client, max_retries=3)
    await _poll(first)
    await _fail(first, task_id)
    await _poll(second)
    assert (await status_of(_fail(first, task_id)))[0] is WRONG_STATE
    assert await _state(client) == ("RUNNING", 2, None)


async def test_a_holder_that_gets_the_task_again_may_report(client: Client, first: Connection) -> None:
    """It is a former holder and the present one."""
    task_id = await submit_task(client, max_retries=3)
    for _ in range(2):
        await _poll(first)
        await _beat(first, task_id)
        await _fail(first, task_id)
    await _poll(first)
    await _complete(first, task_id)
    assert await _state(client) == ("COMPLETED", 3, '"old"')


async def test_a_worker_that_reconnects_may_report(client: Client, first: Connection, second: Connection) -> None:
    """Its connection is new to the task, so nothing speaks against it."""
    task_id = await submit_task(client, max_retries=3)
    await _poll(first)
    await _lease_over(client)
    await _poll(first)
    await _beat(second, task_id)
    await _complete(second, task_id)
    assert await _state(client) == ("COMPLETED", 2, '"old"')


async def test_a_late_result_counts_while_no_newer_attempt_has_begun(client: Client, first: Connection) -> None:
    """As that attempt's success."""
    task_id = await submit_task(client, max_retries=3)
    await _poll(first)
    await _lease_over(client)
    await _complete(first, task_id)
    assert await _state(client) == ("COMPLETED", 1, '"old"')
    assert await rows(client, "SELECT attempt, status FROM task_attempt") == [(1, "COMPLETED")]


async def test_a_result_of_a_claim_that_was_released_counts(client: Client, first: Connection) -> None:
    """The server took the answer for lost, and the worker had it: the attempt counts after all."""
    task_id = await submit_task(client, max_retries=3)
    await _poll(first)
    ((claim,),) = await rows(client, "SELECT claim_id FROM task_execution")
    await client.engine.tasks.claims.release_claims([claim])
    assert await _state(client) == ("PENDING", 0, None)
    await _complete(first, task_id)
    assert await _state(client) == ("COMPLETED", 1, '"old"')
    assert await rows(client, "SELECT attempt, status FROM task_attempt") == [(1, "COMPLETED")]


async def test_workers_behind_a_proxy_may_report(client: Client, first: Connection, second: Connection) -> None:
    """A proxy spreads each worker's calls over its connections: no report is refused for its connection."""
    task_id = await submit_task(client, max_retries=9)
    for poller, reporter in ((first, second), (second, first), (first, second), (second, first)):
        await _poll(poller)
        await _beat(reporter, task_id)
        await _fail(reporter, task_id)
    await _poll(second)
    await _complete(first, task_id)
    assert await _state(client) == ("COMPLETED", 5, '"old"')
