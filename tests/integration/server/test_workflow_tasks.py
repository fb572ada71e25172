"""Tasks that belong to a workflow: what becomes of them reaches its history, once, and wakes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest_asyncio

from proto.flovyn.v1 import task_pb2, workflow_pb2
from tests.support.calls import complete_task, events, fail_task, poll, poll_task, start, status_of, submit, submit_task
from tests.support.repetitions import times
from tests.support.running import Client, bearer, running_server

SUSPENDED = workflow_pb2.WORKFLOW_STATUS_SUSPENDED
COMPLETED = workflow_pb2.WORKFLOW_STATUS_COMPLETED


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    """A running server."""
    async with running_server(database) as client:
        yield client


async def _waiting_workflow(client: Client) -> str:
    workflow_id = await start(client)
    await poll(client)
    await submit(client, workflow_id, status=SUSPENDED)
    assert await poll(client) is None
    return workflow_id


async def test_a_result_reaches_the_workflow_and_wakes_it(client: Client) -> None:
    """TASK_COMPLETED with the output, and the waiting workflow is claimable."""
    workflow_id = await _waiting_workflow(client)
    task_id = await submit_task(client, workflow_execution_id=workflow_id)
    await poll_task(client)
    await complete_task(client, task_id, {"n": 4})
    assert (await events(client, workflow_id))[1:] == [
        (2, "TASK_COMPLETED", {"taskExecutionId": task_id, "output": {"n": 4}})
    ]
    again = await poll(client)
    assert again is not None
    assert again.id == workflow_id


async def test_only_the_last_failure_reaches_the_workflow(client: Client) -> None:
    """Failures with retries left leave no trace in the history; the last is one TASK_FAILED."""
    workflow_id = await _waiting_workflow(client)
    task_id = await submit_task(client, workflow_execution_id=workflow_id, max_retries=3)
    for attempt in range(1, 5):
        assert len(await events(client, workflow_id)) == 1
        await poll_task(client)
        await fail_task(client, task_id, f"boom {attempt}")
    failed = {"taskExecutionId": task_id, "error": "boom 4", "retryable": False}
    assert (await events(client, workflow_id))[1:] == [(2, "TASK_FAILED", failed)]
    assert await poll(client) is not None


async def test_a_cancelled_task_wakes_its_workflow_with_a_failure(client: Client) -> None:
    """No worker takes TASK_CANCELLED for an end, so the workflow hears TASK_FAILED."""
    workflow_id = await _waiting_workflow(client)
    task_id = await submit_task(client, workflow_execution_id=workflow_id, max_retries=3)
    await client.tasks.CancelTask(task_pb2.CancelTaskRequest(task_execution_id=task_id), metadata=bearer())
    ((_, event_type, data),) = (await events(client, workflow_id))[1:]
    assert (event_type, data["retryable"]) == ("TASK_FAILED", False)
    assert data["error"].startswith("Task cancelled")
    assert await poll(client) is not None


async def test_a_result_before_the_suspension_sends_the_workflow_round_again(client: Client) -> None:
    """The worker that suspends may not have seen it (protocol 2.5.4)."""
    workflow_id = await start(client)
    task_id = await submit_task(client, workflow_execution_id=workflow_id)
    await poll(client)
    await poll_task(client)
    await complete_task(client, task_id)
    await submit(client, workflow_id, status=SUSPENDED)
    assert await poll(client) is not None
    await events(client, workflow_id)
    await submit(client, workflow_id, status=SUSPENDED)
    assert await poll(client) is None


async def test_a_result_that_races_with_the_suspension_is_never_slept_through(database: str) -> None:
    """Completed and suspended at once, through two servers, in either order: the workflow is claimable, once."""
    async with running_server(database) as here, running_server(database) as there:
        for number in range(times(20, 2000)):
            workflow_id = await start(here)
            task_id = await submit_task(here, workflow_execution_id=workflow_id)
            await asyncio.gather(poll(here), poll_task(here))
            racing = [complete_task(here, task_id), submit(there, workflow_id, status=SUSPENDED)]
            await asyncio.gather(*(racing if number % 2 else reversed(racing)))
            again = await poll(here)
            assert (again and again.id, await poll(there)) == (workflow_id, None)
            assert [event for _, event, _ in await events(here, workflow_id)] == ["WORKFLOW_STARTED", "TASK_COMPLETED"]
            await submit(here, workflow_id, status=COMPLETED)


async def test_results_that_arrive_together_are_all_in_the_history(database: str) -> None:
    """200 tasks of one workflow completed at once, twice each and through two servers: 200 results, numbered on."""
    async with running_server(database) as here, running_server(database) as there:
        for _ in range(times(1, 20)):
            workflow_id = await _waiting_workflow(here)
            count = 200
            created = await asyncio.gather(
                *(submit_task(here, workflow_execution_id=workflow_id) for _ in range(count))
            )
            handed = await asyncio.gather(*(poll_task(here) for _ in range(count)))
            assert {task.task_execution_id for task in handed if task} == set(created)
            await asyncio.gather(*(complete_task(server, task) for task in created for server in (here, there)))
            history = await events(here, workflow_id)
            assert [number for number, _, _ in history] == list(range(1, count + 2))
            assert sorted(data["taskExecutionId"] for _, _, data in history[1:]) == sorted(created)
            assert await poll(there) is not None
            assert await poll(here) is None


async def test_a_workflow_that_has_ended_hears_nothing(client: Client) -> None:
    """A result for an ended workflow changes nothing in its history, and a task is no longer taken for it."""
    workflow_id = await start(client)
    task_id = await submit_task(client, workflow_execution_id=workflow_id)
    await poll(client)
    await poll_task(client)
    await submit(client, workflow_id, status=workflow_pb2.WORKFLOW_STATUS_COMPLETED)
    before = await events(client, workflow_id)
    await asyncio.gather(complete_task(client, task_id), return_exceptions=True)
    assert await events(client, workflow_id) == before
    code, text = await status_of(submit_task(client, workflow_execution_id=workflow_id))
    assert (code, workflow_id in text) == (grpc.StatusCode.FAILED_PRECONDITION, True)


async def test_a_deadline_ends_a_task_whatever_it_does(client: Client) -> None:
    """Waiting or running, with retries left: FAILED, the workflow hears of it once, and another deadline does not count."""
    workflow_id = await _waiting_workflow(client)
    overdue: dict[str, Any] = {"workflow_execution_id": workflow_id, "timeout_ms": 1, "max_retries": 9}
    running = await submit_task(client, **overdue)
    await poll_task(client)
    waiting = await submit_task(client, queue="q", **overdue)
    later = await submit_task(client, workflow_execution_id=workflow_id, timeout_ms=3_600_000)
    while len(history := await events(client, workflow_id)) < 3:
        await client.engine.tasks.expire()  # as the expirer does, who may come first
    assert {data["taskExecutionId"]: (event, data["error"]) for _, event, data in history[1:]} == dict.fromkeys(
        (running, waiting), ("TASK_FAILED", "Task timed out: deadline exceeded")
    )
    assert (await status_of(complete_task(client, running)))[0] is grpc.StatusCode.FAILED_PRECONDITION
    handed = await poll_task(client)
    assert handed is not None
    assert handed.task_execution_id == later
