"""Standalone tasks from their creation to their end, over real gRPC and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio

from core.errors import InvalidInput
from core.launchers import IdempotencyKey, Launched, TaskLaunch
from core.payload import Json
from proto.flovyn.v1 import task_pb2
from server.domain.worker import Category
from server.engine.launchers import EngineTaskLauncher
from tests.support.calls import complete_task, fail_task, poll_task, rows, start, status_of, submit_task
from tests.support.repetitions import times
from tests.support.running import OTHER_KEY, OTHER_TENANT, TENANT, Client, bearer, running_server

NOT_FOUND, WRONG_STATE = grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    """A running server."""
    async with running_server(database) as client:
        yield client


async def _task(client: Client, task_id: str) -> tuple[Any, ...]:
    query = "SELECT status, execution_count, output::text, error FROM task_execution WHERE id = %(id)s"
    return (await rows(client, query, id=task_id))[0]


async def _attempts(client: Client, task_id: str) -> list[tuple[Any, ...]]:
    query = "SELECT attempt, status, error FROM task_attempt WHERE task_execution_id = %(id)s ORDER BY attempt"
    return await rows(client, query, id=task_id)


async def test_one_task_from_submission_to_result(client: Client) -> None:
    """Submit, poll, complete: the worker gets what was sent, and the result is kept as it was sent."""
    task_id = await submit_task(client, "double", {"n": 2}, queue="q", max_retries=3)
    task = await poll_task(client, "q")
    assert task is not None
    assert (task.task_execution_id, task.kind, task.input, task.queue) == (task_id, "double", b'{"n": 2}', "q")
    assert (task.workflow_execution_id, task.execution_count) == ("", 1)
    assert await poll_task(client, "q") is None
    await complete_task(client, task_id, 4)
    assert await _task(client, task_id) == ("COMPLETED", 1, "4", None)
    assert await _attempts(client, task_id) == [(1, "COMPLETED", None)]


async def test_three_retries_are_four_attempts(client: Client) -> None:
    """A failed attempt makes the task pending again, until none is left; every attempt keeps its own error."""
    task_id = await submit_task(client, max_retries=3)
    for attempt in range(1, 5):
        task = await poll_task(client)
        assert task is not None
        assert task.execution_count == attempt
        await fail_task(client, task_id, f"boom {attempt}")
    assert await poll_task(client) is None
    assert await _task(client, task_id) == ("FAILED", 4, None, "boom 4")
    assert await _attempts(client, task_id) == [(n, "FAILED", f"boom {n}") for n in range(1, 5)]


async def test_no_retries_are_one_attempt(client: Client) -> None:
    """With max_retries 0 the first failure is final."""
    task_id = await submit_task(client)
    await poll_task(client)
    await fail_task(client, task_id)
    assert (await _task(client, task_id))[0] == "FAILED"


async def test_a_task_that_is_tried_again_waits_behind_the_others(client: Client) -> None:
    """A task that keeps failing does not keep the others of its queue from being tried."""
    first, second = await submit_task(client, max_retries=9), await submit_task(client)
    await poll_task(client)
    await fail_task(client, first)
    order = [task.task_execution_id for _ in range(2) if (task := await poll_task(client))]
    assert order == [second, first]


async def test_reports_that_come_twice_change_nothing(client: Client) -> None:
    """A client that repeats a report, not knowing whether the first arrived, is answered OK; the first counts."""
    completed, failed = await submit_task(client), await submit_task(client, max_retries=1)
    for _ in range(2):
        await poll_task(client)
    for _ in range(2):
        await complete_task(client, completed, 1)
        await fail_task(client, failed)
    assert await _task(client, completed) == ("COMPLETED", 1, "1", None)
    assert await _task(client, failed) == ("PENDING", 1, None, "boom")
    assert len(await _attempts(client, failed)) == 1


async def test_a_worker_presumed_dead_may_still_complete(client: Client) -> None:
    """The result of an attempt that was counted as failed is taken, as long as the task has not ended."""
    task_id = await submit_task(client, max_retries=1)
    await poll_task(client)
    await fail_task(client, task_id)
    await complete_task(client, task_id, 1)
    assert (await _task(client, task_id))[0] == "COMPLETED"
    assert await _attempts(client, task_id) == [(1, "COMPLETED", None)]
    assert await poll_task(client) is None


async def test_reports_that_the_state_does_not_allow_are_refused(client: Client) -> None:
    """FAILED_PRECONDITION, with the state: never handed out, ended otherwise."""
    untouched, failed = await submit_task(client, queue="q"), await submit_task(client)
    await poll_task(client)
    await fail_task(client, failed)
    for call in (complete_task(client, untouched), fail_task(client, untouched)):
        code, text = await status_of(call)
        assert (code, "PENDING" in text) == (WRONG_STATE, True)
    code, text = await status_of(complete_task(client, failed))
    assert (code, "FAILED" in text) == (WRONG_STATE, True)


async def test_unknown_and_foreign_tasks_are_not_found(client: Client) -> None:
    """An id that is not there, and one of another tenant, are the same to a caller; bad ids are told by field."""
    task_id = await submit_task(client)
    await poll_task(client)
    assert (await status_of(complete_task(client, str(uuid4()))))[0] is NOT_FOUND
    request = task_pb2.CompleteTaskRequest(task_execution_id=task_id)
    assert (await status_of(client.tasks.CompleteTask(request, metadata=bearer(OTHER_KEY))))[0] is NOT_FOUND
    code, text = await status_of(complete_task(client, "x"))
    assert (code, "task_execution_id" in text) == (grpc.StatusCode.INVALID_ARGUMENT, True)


async def test_cancelling_ends_an_open_task(client: Client) -> None:
    """Pending and running tasks are cancelled, ended ones are not; a cancelled task is not handed out."""
    pending, running = await submit_task(client, queue="q"), await submit_task(client)
    await poll_task(client)
    for task_id in (pending, running):
        request = task_pb2.CancelTaskRequest(task_execution_id=task_id)
        await client.tasks.CancelTask(request, metadata=bearer())
        assert (await _task(client, task_id))[0] == "CANCELLED"
        await client.tasks.CancelTask(request, metadata=bearer())
        assert (await status_of(complete_task(client, task_id)))[0] is WRONG_STATE
    assert await poll_task(client, "q") is None
    assert [attempt[:2] for attempt in await _attempts(client, running)] == [(1, "CANCELLED")]
    assert await _attempts(client, pending) == []


async def test_a_waiting_poller_is_answered_when_a_task_appears(database: str) -> None:
    """Direct dispatch, here and from another process; a workflow in the same queue does not wake a poller for tasks."""
    async with running_server(database, ENGINE__POLL_HOLD_MS="60000") as here, running_server(database) as there:
        parked = here.engine.wakeups[Category.TASK].parked
        for server in (here, there):
            parked.clear()
            waiting = asyncio.ensure_future(poll_task(here))
            await asyncio.wait_for(parked.wait(), 5)
            task_id = await submit_task(server)
            task = await asyncio.wait_for(waiting, 5)
            assert task is not None
            assert task.task_execution_id == task_id


async def test_a_retry_is_handed_to_a_waiting_poller(database: str) -> None:
    """The poller that waits gets the next attempt at once."""
    async with running_server(database, ENGINE__POLL_HOLD_MS="60000") as client:
        task_id = await submit_task(client, max_retries=1)
        await poll_task(client)
        client.engine.wakeups[Category.TASK].parked.clear()
        waiting = asyncio.ensure_future(poll_task(client))
        await asyncio.wait_for(client.engine.wakeups[Category.TASK].parked.wait(), 5)
        await fail_task(client, task_id)
        task = await asyncio.wait_for(waiting, 5)
        assert task is not None
        assert task.execution_count == 2


async def test_two_pollers_never_get_one_task(client: Client) -> None:
    """Sixty tasks, a hundred pollers at once, again and again: every task is handed out once."""
    for _ in range(times(3, 300)):
        created = await asyncio.gather(*(submit_task(client) for _ in range(60)))
        answers = await asyncio.gather(*(poll_task(client) for _ in range(100)))
        assert sorted(task.task_execution_id for task in answers if task) == sorted(created)


async def test_many_reports_at_once_are_each_answered(client: Client) -> None:
    """Completions, failures and unknown ids in one commit: every caller gets its own outcome."""
    created = [await submit_task(client, max_retries=0) for _ in range(40)]
    for _ in created:
        await poll_task(client)
    good = [complete_task(client, each, 1) for each in created[::2]]
    bad = [fail_task(client, each) for each in created[1::2]]
    unknown = [status_of(complete_task(client, str(uuid4()))) for _ in range(10)]
    _, results = await asyncio.gather(asyncio.gather(*good, *bad), asyncio.gather(*unknown))
    assert [code for code, _ in results] == [NOT_FOUND] * 10
    assert [(await _task(client, each))[0] for each in created] == ["COMPLETED", "FAILED"] * 20


BAD_SUBMISSIONS: list[tuple[dict[str, Any], str]] = [
    ({"kind": ""}, "kind"),
    ({"queue": "q" * 101}, "queue"),
    ({"input": b"{"}, "input"),
    ({"max_retries": -1}, "max_retries"),
    ({"workflow_execution_id": "x"}, "workflow_execution_id"),
    ({"metadata": {"_flovyn_x": "1"}}, "_flovyn_"),
    ({"tenant_id": "x"}, "tenant_id"),
]


@pytest.mark.parametrize(("fields", "named"), BAD_SUBMISSIONS)
async def test_malformed_submissions_are_refused_by_field(client: Client, fields: dict[str, Any], named: str) -> None:
    """INVALID_ARGUMENT, with the field's name."""
    code, text = await status_of(submit_task(client, **fields))
    assert (code, named in text) == (grpc.StatusCode.INVALID_ARGUMENT, True)


async def test_large_numbers_are_taken_as_far_as_they_go(client: Client) -> None:
    """The longest time-out and the most retries that the wire can carry do no harm."""
    task_id = await submit_task(client, max_retries=2**31 - 1, timeout_ms=2**63 - 1)
    await poll_task(client)
    await fail_task(client, task_id)
    assert await poll_task(client) is not None


async def test_queues_and_tenants_are_kept_apart(client: Client) -> None:
    """A poll sees only its own queue and tenant."""
    await submit_task(client, queue="q")
    assert await poll_task(client) is None
    stranger = task_pb2.PollTaskRequest(tenant_id=str(OTHER_TENANT), queue="q")
    assert not (await client.tasks.PollTask(stranger, metadata=bearer(OTHER_KEY))).HasField("task")
    foreign = task_pb2.PollTaskRequest(tenant_id=str(TENANT), queue="q")
    refused = client.tasks.PollTask(foreign, metadata=bearer(OTHER_KEY))
    assert (await status_of(refused))[0] is grpc.StatusCode.PERMISSION_DENIED


async def test_a_task_for_a_workflow_must_find_it_open(client: Client) -> None:
    """NOT_FOUND for an unknown workflow; a known one owns the task."""
    assert (await status_of(submit_task(client, workflow_execution_id=str(uuid4()))))[0] is NOT_FOUND
    workflow_id = await start(client)
    await submit_task(client, workflow_execution_id=workflow_id)
    task = await poll_task(client)
    assert task is not None
    assert task.workflow_execution_id == workflow_id


async def _keyed(client: Client, **fields: Any) -> tuple[str, bool, bool]:
    request = task_pb2.SubmitTaskRequest(
        **{"tenant_id": str(TENANT), "kind": "k", "idempotency_key": "order-1", **fields}
    )
    answer = await client.tasks.SubmitTask(request, metadata=bearer())
    return answer.task_execution_id, answer.idempotency_key_used, answer.idempotency_key_new


async def test_a_key_leads_to_one_task_however_often_it_is_submitted(client: Client) -> None:
    """Fifty at once and one later: one task; also when it has completed. Without a key, every task is new."""
    answers = await asyncio.gather(*(_keyed(client) for _ in range(50)))
    assert {task_id for task_id, _, _ in answers} == {answers[0][0]}
    assert sorted((used, new) for _, used, new in answers) == [(True, False)] * 49 + [(True, True)]
    assert await rows(client, "SELECT count(*) FROM task_execution") == [(1,)]
    await poll_task(client)
    await complete_task(client, answers[0][0])
    assert await _keyed(client) == (answers[0][0], True, False)
    request = task_pb2.SubmitTaskRequest(tenant_id=str(TENANT), kind="k")
    answer = await client.tasks.SubmitTask(request, metadata=bearer())
    assert (answer.idempotency_key_used, answer.idempotency_key_new) == (False, True)


async def test_the_key_of_a_failed_or_cancelled_task_is_free(client: Client) -> None:
    """A new task takes it over, as its first owner will never succeed."""
    failed, _, _ = await _keyed(client)
    await poll_task(client)
    await fail_task(client, failed)
    cancelled, _, new = await _keyed(client)
    assert (cancelled != failed, new) == (True, True)
    await client.tasks.CancelTask(task_pb2.CancelTaskRequest(task_execution_id=cancelled), metadata=bearer())
    assert (await _keyed(client))[2]


async def test_a_key_of_something_else_is_refused(client: Client) -> None:
    """ALREADY_EXISTS for a task of another kind, later or in the same commit, and for a workflow."""
    results = await asyncio.gather(*(_keyed(client, kind=kind) for kind in ("a", "b")), return_exceptions=True)
    (refused,) = [each for each in results if isinstance(each, grpc.aio.AioRpcError)]
    assert refused.code() is grpc.StatusCode.ALREADY_EXISTS
    assert (await status_of(_keyed(client, kind="other")))[0] is grpc.StatusCode.ALREADY_EXISTS
    await start(client, idempotency_key="order-2")
    code, text = await status_of(_keyed(client, idempotency_key="order-2"))
    assert (code, "order-2" in text) == (grpc.StatusCode.ALREADY_EXISTS, True)


async def test_a_plugin_can_create_tasks(client: Client) -> None:
    """The launcher does what SubmitTask does, with the same checks."""
    launcher = EngineTaskLauncher(client.engine)
    key = IdempotencyKey("plugin-1")
    first = await launcher.launch(TaskLaunch(TENANT, "k", Json('{"n": 1.0}'), idempotency_key=key))
    assert (await launcher.launch(TaskLaunch(TENANT, "k", idempotency_key=key)), first.is_new) == (
        Launched(first.id, is_new=False),
        True,
    )
    task = await poll_task(client)
    assert task is not None
    assert (task.task_execution_id, task.input) == (str(first.id), b'{"n": 1.0}')
    for wrong in (TaskLaunch(TENANT, ""), TaskLaunch(TENANT, "k", Json("{")), TaskLaunch(TENANT, "k", max_retries=-1)):
        with pytest.raises(InvalidInput):
            await launcher.launch(wrong)
