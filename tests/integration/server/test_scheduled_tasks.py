"""Tasks that a workflow's commands create: once each, however often the commands come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio

from server.domain.worker import Category
from tests.support.calls import poll_task
from tests.support.driving import COMPLETED, RUNNING, Calls, complete, operation, refusal, schedule_child, schedule_task
from tests.support.repetitions import times
from tests.support.running import running_server


@pytest_asyncio.fixture
async def calls(database: str) -> AsyncIterator[Calls]:
    """A running server."""
    async with running_server(database) as client:
        yield Calls(client)


async def test_a_task_is_scheduled_with_its_defaults(calls: Calls) -> None:
    """It goes to the workflow's queue, may be retried three times, and is handed to a worker."""
    workflow_id, task_id = await calls.start(queue="q"), str(uuid4())
    await calls.step(schedule_task(task_id, data=b'{"n": 1.0}'), queue="q")
    assert (await calls.events(workflow_id))[1][1:] == (
        "TASK_SCHEDULED",
        {"kind": "t", "taskExecutionId": task_id, "input": {"n": 1.0}, "queue": "q", "maxRetries": 3},
    )
    task = await poll_task(calls.client, "q")
    assert task is not None
    assert (task.task_execution_id, task.workflow_execution_id, task.input) == (task_id, workflow_id, b'{"n": 1.0}')


async def test_a_task_keeps_what_its_command_says(calls: Calls) -> None:
    """Queue, retries and deadline of the command."""
    workflow_id, task_id = await calls.start(), str(uuid4())
    await calls.step(schedule_task(task_id, queue="other", max_retries=0, timeout_ms=5000))
    data = (await calls.events(workflow_id))[1][2]
    assert (data["queue"], data["maxRetries"], data["timeoutMs"]) == ("other", 0, 5000)
    assert await poll_task(calls.client, "other") is not None


async def test_a_parked_poller_gets_a_scheduled_task_at_once(database: str) -> None:
    """The commit of the submission wakes it."""
    async with running_server(database, ENGINE__POLL_HOLD_MS="60000") as client:
        calls = Calls(client)
        await calls.start()
        execution = await calls.claim()
        poll = asyncio.ensure_future(poll_task(client))
        await asyncio.wait_for(client.engine.wakeups[Category.TASK].parked.wait(), 5)
        await calls.submit(execution.id, schedule_task(str(uuid4())))
        assert await asyncio.wait_for(poll, 1) is not None


async def test_a_task_sent_again_is_scheduled_once(calls: Calls) -> None:
    """In one batch, in two, and together with new commands: one task and one event."""
    workflow_id, task_id = await calls.start(), str(uuid4())
    await calls.claim()
    for _ in range(2):
        await calls.submit(workflow_id, schedule_task(task_id), schedule_task(task_id), operation(), status=RUNNING)
    assert await calls.types(workflow_id) == ["WORKFLOW_STARTED", "TASK_SCHEDULED", *["OPERATION_COMPLETED"] * 2]
    assert await calls.row("SELECT count(*) FROM task_execution") == (1,)


@pytest.mark.parametrize("kind", ["t", "other"])
async def test_a_task_id_of_another_run_or_kind_is_refused_whole(calls: Calls, kind: str) -> None:
    """FAILED_PRECONDITION, and nothing of that batch is written; its neighbours' batches are."""
    first, second, task_id = await calls.start(), await calls.start(), str(uuid4())
    await calls.claim_pending()
    await calls.submit(first, schedule_task(task_id), status=RUNNING)
    target = first if kind == "other" else second
    clash = refusal(calls.submit(target, operation(), schedule_task(task_id, kind), status=RUNNING))
    (code, text), _ = await asyncio.gather(clash, calls.submit(first, operation("good"), status=RUNNING))
    assert (code, task_id in text) == (grpc.StatusCode.FAILED_PRECONDITION, True)
    assert await calls.types(first) == ["WORKFLOW_STARTED", "TASK_SCHEDULED", "OPERATION_COMPLETED"]
    assert await calls.types(second) == ["WORKFLOW_STARTED"]


async def test_a_task_of_a_completed_run_still_runs(calls: Calls) -> None:
    """A workflow that does not wait for its task completes, and the task is not lost."""
    workflow_id = await calls.start()
    await calls.step(schedule_task(str(uuid4())), complete(), status=COMPLETED)
    assert await poll_task(calls.client) is not None
    assert (await calls.types(workflow_id))[-1] == "WORKFLOW_COMPLETED"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"task_id": "x"}, "task_execution_id"),
        ({"task_id": ""}, "task_execution_id"),
        ({"kind": ""}, "kind"),
        ({"max_retries": -1}, "max_retries"),
        ({"data": b"{"}, "input"),
        ({"queue": "q" * 101}, "queue"),
    ],
)
async def test_malformed_tasks_are_refused_by_field(calls: Calls, fields: dict[str, object], named: str) -> None:
    """INVALID_ARGUMENT, and nothing of the batch is written."""
    workflow_id = await calls.start()
    command = schedule_task(**{"task_id": str(uuid4()), **fields})  # type: ignore[arg-type]
    code, text = await refusal(calls.submit(workflow_id, operation(), command, status=RUNNING))
    assert (code, named in text) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    assert await calls.types(workflow_id) == ["WORKFLOW_STARTED"]


async def test_two_workflows_that_create_one_id_at_once_do_not_fail(database: str) -> None:
    """Through two servers, again and again: one of them gets the child, the other hears that the id is taken."""
    async with running_server(database) as one, running_server(database) as two:
        here, there = Calls(one), Calls(two)
        for _ in range(times(15, 500)):
            workflows, child = [await here.start(), await here.start()], str(uuid4())
            await here.claim_pending()
            await asyncio.gather(
                here.submit(workflows[0], schedule_child(child), status=RUNNING),
                there.submit(workflows[1], schedule_child(child), status=RUNNING),
            )
            histories = [await here.types(workflow_id) for workflow_id in workflows]
            assert sorted(len(history) for history in histories) == [2, 3]
            assert max(histories, key=len)[-1] == "CHILD_WORKFLOW_FAILED"
