"""The queues of a tenant over REST: their depth, the age of the oldest work, and the workers that take it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest_asyncio

from proto.flovyn.v1 import worker_pb2
from tests.support.administrators import ADMINISTERED, OTHER_ADMIN_KEY, ask
from tests.support.calls import poll_task, submit_task
from tests.support.driving import SUSPENDED, Calls, schedule_task
from tests.support.running import TENANT, running_server


@pytest_asyncio.fixture
async def calls(database: str) -> AsyncIterator[Calls]:
    """A running server."""
    async with running_server(database, (), ADMINISTERED) as client:
        yield Calls(client)


async def _queues(calls: Calls, **more: Any) -> dict[tuple[str, str], dict[str, Any]]:
    status, answer = await ask(calls.client, "GET", "/queues", **more)
    assert status == 200, answer
    return {(each.pop("type"), each.pop("name")): each for each in answer["queues"]}


def _numbers(queue: dict[str, Any]) -> tuple[int, int, int, int]:
    return queue["pending"], queue["running"], queue["busyWorkers"], queue["onlineWorkers"]


async def test_a_queue_tells_its_work_and_the_workers_that_offer_it(calls: Calls) -> None:
    """A worker that has registered the kind is online; one that polls without that is seen by what it runs."""
    for _ in range(3):
        await calls.start(workflow_kind="order", queue="orders")
    await calls.start(workflow_kind="report", queue="reports")
    await calls.claim("orders")
    registration = worker_pb2.WorkerRegistrationRequest(
        worker_name="w1",
        worker_type="WORKFLOW",
        tenant_id=str(TENANT),
        workflows=[worker_pb2.WorkflowCapability(kind="report", name="A report")],
    )
    await calls.client.lifecycle.RegisterWorker(registration, metadata=calls.client.metadata)
    found = await _queues(calls)
    assert {key: _numbers(each) for key, each in found.items()} == {
        ("WORKFLOW", "orders"): (2, 1, 1, 0),
        ("WORKFLOW", "reports"): (1, 0, 0, 1),
    }
    assert await _queues(calls, key=OTHER_ADMIN_KEY) == {}


async def test_tasks_and_agents_have_queues_of_their_own(calls: Calls) -> None:
    """One name is a queue of each; a workflow that waits is in none."""
    task = str(uuid4())
    await calls.start(queue="q")
    await calls.step(schedule_task(task, queue="q"), queue="q", status=SUSPENDED)
    await submit_task(calls.client, queue="q")
    await ask(calls.client, "POST", "/agent-executions", {"kind": "support", "input": {}, "queue": "q"})
    assert await poll_task(calls.client, "q") is not None
    found = await _queues(calls)
    assert {key: _numbers(each)[:3] for key, each in found.items()} == {
        ("TASK", "q"): (1, 1, 1),
        ("AGENT", "q"): (1, 0, 0),
    }


async def test_the_oldest_pending_work_dates_its_queue(calls: Calls) -> None:
    """In seconds, from the moment since which it waits."""
    for _ in range(2):
        await calls.start(queue="q")
    async with calls.client.pool.connection() as connection:
        await connection.execute(
            "UPDATE workflow_execution SET updated_at = now() - interval '90 s' WHERE id = (SELECT max(id::text)::uuid"
            " FROM workflow_execution)"
        )
    [queue] = (await _queues(calls)).values()
    assert 90 <= queue["oldestPendingSeconds"] < 120


async def test_a_long_queue_is_counted_up_to_a_bound_and_hides_no_other(calls: Calls) -> None:
    """Each queue is counted by itself."""
    async with calls.client.pool.connection() as connection:
        await connection.execute(
            "INSERT INTO workflow_execution (tenant_id, id, kind, queue, status, priority_ms, metadata, input,"
            " last_sequence, created_at, claim_at, updated_at)"
            " SELECT %s, gen_random_uuid(), 'k', 'long', 'PENDING', 0, '{}', '1', 1, now(), now(), now()"
            " FROM generate_series(1, 10002)",
            (TENANT,),
        )
    await calls.start(queue="short")
    found = await _queues(calls)
    long, short = found["WORKFLOW", "long"], found["WORKFLOW", "short"]
    assert (long["pending"], long["pendingIsExact"]) == (10_000, False)
    assert (short["pending"], short["pendingIsExact"]) == (1, True)
