"""Retrying failed workflows by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from core.errors import NotFound, WrongState
from tests.support.calls import complete_task, fail_task, poll_task
from tests.support.driving import (
    COMPLETED,
    FAILED,
    Calls,
    complete,
    create_promise,
    fail,
    operation,
    schedule_task,
    start_timer,
)
from tests.support.running import OTHER_TENANT, TENANT, running_server


@pytest_asyncio.fixture
async def calls(database: str) -> AsyncIterator[Calls]:
    """A running server."""
    async with running_server(database) as client:
        yield Calls(client)


async def _retry(calls: Calls, workflow_id: str) -> int:
    return await calls.client.engine.workflows.retry((TENANT, UUID(workflow_id)), "mended", "api:test")


async def _fail_task(calls: Calls, task_id: str) -> None:
    task = await calls.until(lambda: poll_task(calls.client), lambda found: found is not None)
    assert task is not None
    assert task.task_execution_id == task_id
    await fail_task(calls.client, task_id)


async def _visible(calls: Calls, workflow_id: str) -> list[str]:
    return [kind for _, kind, _ in await calls.events(workflow_id)]


async def test_a_failed_workflow_goes_on_where_it_failed(calls: Calls) -> None:
    """Its end is hidden from workers and clients; the numbers go on; it can complete."""
    workflow_id = await calls.start()
    await calls.step(operation(), fail(), status=FAILED)
    assert await _retry(calls, workflow_id) == 1
    assert await _visible(calls, workflow_id) == ["WORKFLOW_STARTED", "OPERATION_COMPLETED"]
    assert (await calls.claim()).current_sequence == 3
    await calls.events(workflow_id)
    await calls.submit(workflow_id, complete(b"1"), status=COMPLETED)
    assert (await calls.events(workflow_id))[-1] == (4, "WORKFLOW_COMPLETED", {"output": 1})
    assert await calls.row("SELECT error FROM workflow_execution") == (None,)


async def test_the_task_on_which_a_workflow_failed_is_done_again(calls: Calls) -> None:
    """With as many retries as at first, and once more when it is retried once more."""
    workflow_id, task_id = await calls.start(), str(uuid4())
    await calls.step(schedule_task(task_id, max_retries=1))
    for attempt in range(2):
        for _ in range(2):
            await _fail_task(calls, task_id)
        assert await poll_task(calls.client) is None
        assert (await _visible(calls, workflow_id))[-1] == "TASK_FAILED"
        await calls.step(fail(), status=FAILED)
        assert await _retry(calls, workflow_id) == attempt + 1
        assert await _visible(calls, workflow_id) == ["WORKFLOW_STARTED", "TASK_SCHEDULED"]
        await calls.step()
    assert await poll_task(calls.client) is not None
    await complete_task(calls.client, task_id, 5)
    await calls.step(complete(), status=COMPLETED)
    assert await _visible(calls, workflow_id) == [
        "WORKFLOW_STARTED",
        "TASK_SCHEDULED",
        "TASK_COMPLETED",
        "WORKFLOW_COMPLETED",
    ]


async def test_a_failure_that_the_workflow_went_on_from_stays(calls: Calls) -> None:
    """Replay needs it: the code caught it, and did something else before it failed."""
    workflow_id, task_id = await calls.start(), str(uuid4())
    await calls.step(schedule_task(task_id, max_retries=0))
    await _fail_task(calls, task_id)
    await calls.step(operation("plan b"), fail(), status=FAILED)
    await _retry(calls, workflow_id)
    assert await _visible(calls, workflow_id) == [
        "WORKFLOW_STARTED",
        "TASK_SCHEDULED",
        "TASK_FAILED",
        "OPERATION_COMPLETED",
    ]
    assert await poll_task(calls.client) is None


async def test_timers_and_promises_live_again(calls: Calls) -> None:
    """Timers that the end had abandoned fire, and such promises can be settled."""
    workflow_id = await calls.start()
    await calls.step(start_timer("t", 30), create_promise("p"), fail(), status=FAILED)
    await _retry(calls, workflow_id)
    await calls.until_event(workflow_id, "TIMER_FIRED")
    assert await calls.row("SELECT status FROM promise") == ("PENDING",)


async def test_only_a_failed_workflow_can_be_retried(calls: Calls) -> None:
    """Others are refused by their state; another tenant's is not there."""
    workflow_id = await calls.start()
    with pytest.raises(WrongState, match="PENDING"):
        await _retry(calls, workflow_id)
    with pytest.raises(NotFound):
        await calls.client.engine.workflows.retry((OTHER_TENANT, UUID(workflow_id)), None, "api:test")
