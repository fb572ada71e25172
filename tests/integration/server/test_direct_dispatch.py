"""A poller that is parked gets a workflow or task from the call that makes it pending, without a claim query."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest

from core.launchers import TaskLaunch
from server.domain.worker import Category
from tests.support.calls import (
    complete_task,
    events,
    poll,
    poll_task,
    rows,
    signal,
    start,
    status_of,
    submit,
    submit_task,
)
from tests.support.driving import COMPLETED, RUNNING, SUSPENDED, schedule_task
from tests.support.proxy import AROUND_COMMIT, Cut, proxied
from tests.support.running import TENANT, Client, running_server

HOLD = "60000"
MARK = "key-of-a-lost-answer"


@pytest.fixture(autouse=True)
def _no_nudges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else than work wakes a poller, however slow the machine."""
    monkeypatch.setattr("server.background.queue_watch.LOOK_EVERY_S", 3600)


async def _parked(client: Client, category: Category = Category.WORKFLOW) -> asyncio.Task[Any]:
    """Return a poll that waits, and is not woken any more because the server has just begun to listen."""
    await asyncio.wait_for(client.listening.connected.wait(), 5)
    parked = client.engine.wakeups[category].parked
    parked.clear()
    asked = {Category.WORKFLOW: poll, Category.TASK: poll_task}[category]
    task: asyncio.Task[Any] = asyncio.create_task(asked(client, worker_id="w7"))
    await asyncio.wait_for(parked.wait(), 5)
    return task


async def test_a_workflow_is_written_as_the_waiting_workers_own(database: str) -> None:
    """No second statement claims it; what the worker and the database see is as after a claim."""
    async with running_server(database, ENGINE__POLL_HOLD_MS=HOLD) as client:
        polling = await _parked(client)
        workflow_id = await start(client, data={"n": 1}, idempotency_key="key")
        workflow = await asyncio.wait_for(polling, 5)
        assert (workflow.id, workflow.input, workflow.current_sequence) == (workflow_id, b'{"n": 1}', 1)
        assert [each[1] for each in await events(client, workflow_id)] == ["WORKFLOW_STARTED"]
        query = "SELECT e.status, e.worker_id, e.dispatched_sequence, e.started_at IS NOT NULL, e.xmin = v.xmin"
        (found,) = await rows(client, query + " FROM workflow_execution AS e CROSS JOIN workflow_event AS v")
        assert found == ("RUNNING", "w7", 1, True, True)  # the last: never updated since


async def test_a_handed_over_workflow_of_unknown_outcome_is_not_lost(database: str) -> None:
    """The commit's answer is lost with the connection: the workflow was written as a worker's own, and becomes claimable."""
    async with (
        proxied(database) as (proxy, url),
        running_server(url, ENGINE__POLL_HOLD_MS=HOLD) as client,
    ):
        polling = await _parked(client)
        proxy.cut_next(Cut.AFTER, MARK)
        code, _ = await status_of(start(client, idempotency_key=MARK))
        assert code is grpc.StatusCode.UNAVAILABLE
        workflow = await asyncio.wait_for(polling, 10)
        ((written,),) = await rows(client, "SELECT id FROM workflow_execution")
        assert UUID(workflow.id) == written
        assert UUID(await start(client, idempotency_key=MARK)) == written


CLAIMED_AT = "SELECT claimed_at FROM workflow_execution"
TASK = "SELECT status, worker_id, execution_count, started_at = created_at, claimed_at = created_at FROM task_execution"


async def test_a_task_is_written_as_the_waiting_workers_own(database: str) -> None:
    """In the transaction that makes it; it is completed like any other."""
    async with running_server(database, ENGINE__POLL_HOLD_MS=HOLD) as client:
        polling = await _parked(client, Category.TASK)
        task_id = await submit_task(client, data={"n": 1})
        task = await asyncio.wait_for(polling, 5)
        assert (task.task_execution_id, task.input, task.execution_count) == (task_id, b'{"n": 1}', 1)
        assert await rows(client, TASK) == [("RUNNING", "w7", 1, True, True)]
        await complete_task(client, task_id)
        assert (await rows(client, TASK))[0][0] == "COMPLETED"


async def test_a_workflows_task_is_written_as_the_waiting_workers_own(database: str) -> None:
    """In the transaction of the submission; a repeated submission changes nothing."""
    async with running_server(database, ENGINE__POLL_HOLD_MS=HOLD) as client:
        polling = await _parked(client, Category.TASK)
        workflow_id, task_id = await start(client), str(uuid4())
        assert await poll(client) is not None
        for _ in range(2):
            await submit(client, workflow_id, schedule_task(task_id), status=RUNNING)
        assert (await asyncio.wait_for(polling, 5)).task_execution_id == task_id
        assert await rows(client, TASK) == [("RUNNING", "w7", 1, True, True)]


async def _waiting(client: Client) -> str:
    """Return a workflow that waits for an event."""
    workflow_id = await start(client, data={"n": 1})
    assert await poll(client) is not None
    await submit(client, workflow_id, status=SUSPENDED)
    return workflow_id


async def test_a_resumed_workflow_is_written_as_the_waiting_workers_own(database: str) -> None:
    """By the transaction that appends the event; what the worker and the database see is as after a claim."""
    async with running_server(database, ENGINE__POLL_HOLD_MS=HOLD) as client:
        workflow_id = await _waiting(client)
        (before,) = await rows(client, CLAIMED_AT)
        polling = await _parked(client)
        await signal(client, workflow_id)
        workflow = await asyncio.wait_for(polling, 5)
        assert (workflow.id, workflow.input, workflow.current_sequence) == (workflow_id, b'{"n": 1}', 2)
        query = "SELECT e.status, e.worker_id, e.held_by IS NOT NULL, e.dispatched_sequence, e.xmin = v.xmin"
        join = " FROM workflow_execution AS e INNER JOIN workflow_event AS v ON v.sequence = 2"
        assert await rows(client, query + join) == [("RUNNING", "w7", True, 2, True)]
        assert (await rows(client, CLAIMED_AT))[0] > before
        await submit(client, workflow_id, status=COMPLETED)
        assert await rows(client, "SELECT status, claim_id FROM workflow_execution") == [("COMPLETED", None)]


async def test_a_resumed_workflow_of_unknown_outcome_is_not_lost(database: str) -> None:
    """The commit's answer is lost with the connection: the workflow was written as claimed, and comes back."""
    async with (
        proxied(database) as (proxy, url),
        running_server(url, ENGINE__POLL_HOLD_MS=HOLD) as client,
    ):
        workflow_id = await _waiting(client)
        polling = await _parked(client)
        proxy.cut_next(Cut.AFTER, MARK)
        code, _ = await status_of(signal(client, workflow_id, MARK))
        assert code is grpc.StatusCode.UNAVAILABLE
        assert (await asyncio.wait_for(polling, 10)).id == workflow_id
        assert [each[1] for each in await events(client, workflow_id)].count("SIGNAL_RECEIVED") == 1


async def test_a_scheduled_task_waits_for_its_time(database: str) -> None:
    """However many pollers wait."""
    async with running_server(database, ENGINE__POLL_HOLD_MS=HOLD) as client:
        polling = await _parked(client, Category.TASK)
        launch = TaskLaunch(TENANT, "k")
        await client.engine.tasks.start(launch, scheduled_at=datetime.now(UTC) + timedelta(hours=1))
        now = await submit_task(client)
        assert (await asyncio.wait_for(polling, 5)).task_execution_id == now


@pytest.mark.parametrize("cut", AROUND_COMMIT)
async def test_a_handed_over_task_of_unknown_outcome_is_not_lost(database: str, cut: Cut) -> None:
    """Whether the commit came to the database or not: the poller gets the task once it is there, and only it."""
    async with (
        proxied(database) as (proxy, url),
        running_server(url, ENGINE__POLL_HOLD_MS=HOLD) as client,
    ):
        polling = await _parked(client, Category.TASK)
        proxy.cut_next(cut, MARK)
        code, _ = await status_of(submit_task(client, idempotency_key=MARK))
        assert code is grpc.StatusCode.UNAVAILABLE
        task_id = await submit_task(client, idempotency_key=MARK)
        task = await asyncio.wait_for(polling, 10)
        assert (task.task_execution_id, task.execution_count) == (task_id, 1)
        assert await rows(client, "SELECT count(*) FROM task_execution") == [(1,)]


async def test_work_that_another_process_makes_at_once_reaches_all_who_wait(database: str) -> None:
    """Five tasks of one command batch and five runs started together: announced once, and no poller waits for a nudge."""
    async with running_server(database, ENGINE__POLL_HOLD_MS=HOLD) as here, running_server(database) as there:
        workflows = [await _parked(here) for _ in range(5)]
        tasks = [await _parked(here, Category.TASK) for _ in range(5)]
        started = await asyncio.gather(*(start(there) for _ in range(5)))
        assert {workflow.id for workflow in await asyncio.wait_for(asyncio.gather(*workflows), 10)} == set(started)
        ids = [str(uuid4()) for _ in range(5)]
        await submit(there, started[0], *map(schedule_task, ids), status=RUNNING)
        assert {task.task_execution_id for task in await asyncio.wait_for(asyncio.gather(*tasks), 10)} == set(ids)
