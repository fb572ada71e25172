"""Workflows as code, replayed by a worker of every family against a real server."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from proto.flovyn.v1 import workflow_pb2
from tests.support.replay import Context, Failed
from tests.support.replaying_worker import ReplayingWorker, TaskContext, WorkflowFailed
from tests.support.running import Client, another_connection, bearer, running_server
from tests.support.styles import NAPI, STYLES, Style

pytestmark = pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    """A running server."""
    async with running_server(database) as client:
        yield client


async def test_operations_are_recorded_once(client: Client, style: Style) -> None:
    """Operations in the history are not carried out again; state changes come in the order of the code."""
    draws = itertools.count(1)

    async def code(context: Context, _data: Any) -> Any:
        context.set_state("step", 1)
        number = context.operation("draw", lambda: next(draws))
        context.clear_state("step")
        return number

    worker = ReplayingWorker(client, {"code": code}, style=style)
    workflow_id = await worker.start("code")
    assert await worker.run_once()
    assert await worker.result(workflow_id) == 1
    assert next(draws) == 2
    recorded = ["STATE_SET", "OPERATION_COMPLETED", "STATE_CLEARED"] if style is not NAPI else []
    assert [event for event, _ in await worker.history(workflow_id)] == [
        "WORKFLOW_STARTED", *recorded, "WORKFLOW_COMPLETED",
    ]  # fmt: skip


async def test_code_that_raises_fails_its_workflow(client: Client, style: Style) -> None:
    """The error's text reaches the code that waits for the result; so does an unknown kind."""

    async def code(_context: Context, _data: Any) -> Any:
        raise Failed("boom")

    worker = ReplayingWorker(client, {"code": code}, style=style)
    for kind, error in (("code", "boom"), ("other", "Unknown workflow kind")):
        workflow_id = await worker.start(kind)
        await worker.run_once()
        with pytest.raises(WorkflowFailed, match=error):
            await worker.result(workflow_id)


async def _double(_task: TaskContext, data: Any) -> Any:
    return data * 2


async def test_parallel_tasks_are_awaited_in_any_order(client: Client, style: Style) -> None:
    """Twenty tasks at once: every result stands at its place, and each task was scheduled once."""

    async def code(context: Context, data: Any) -> Any:
        doubled = [context.task("double", number) for number in range(data)]
        return [await each for each in reversed(doubled)]

    worker = ReplayingWorker(client, {"code": code}, {"double": _double}, style=style)
    async with worker.serving(pollers=4):
        workflow_id = await worker.start("code", 20)
        assert await worker.result(workflow_id) == [2 * number for number in reversed(range(20))]
        types = [event for event, _ in await worker.history(workflow_id)]
        assert (types.count("TASK_SCHEDULED"), types.count("TASK_COMPLETED")) == (20, 20)


async def test_a_task_that_fails_twice_succeeds_the_third_time(client: Client, style: Style) -> None:
    """Retries are the server's business: the workflow sees one result; and one failure when they are used up."""

    async def flaky(task: TaskContext, data: Any) -> Any:
        if task.attempt < data:
            raise Failed(f"attempt {task.attempt}")
        return task.attempt

    async def code(context: Context, data: Any) -> Any:
        return await context.task("flaky", data, max_retries=2)

    worker = ReplayingWorker(client, {"code": code}, {"flaky": flaky}, style=style)
    async with worker.serving():
        assert await worker.result(await worker.start("code", 3)) == 3
        with pytest.raises(WorkflowFailed, match="attempt 3"):
            await worker.result(await worker.start("code", 4))


async def test_timers_and_promises(client: Client, style: Style) -> None:
    """A timer fires by itself, a promise is resolved from outside by the id that its event shows."""

    async def code(context: Context, _data: Any) -> Any:
        approval = context.promise("approval")
        await context.timer(10)
        return await approval

    worker = ReplayingWorker(client, {"code": code}, style=style)
    async with worker.serving():
        workflow_id = await worker.start("code")
        history = await worker.until(workflow_id, "TIMER_FIRED")
        promise_id = next(data["promiseId"] for event, data in history if event == "PROMISE_CREATED")
        await client.dispatch.ResolvePromise(
            workflow_pb2.ResolvePromiseRequest(promise_id=promise_id, value=b'{"by": "me"}'), metadata=bearer()
        )
        assert await worker.result(workflow_id) == {"by": "me"}


async def test_children_three_levels_deep(client: Client, style: Style) -> None:
    """Children run on their parent's queue; their results, and their failures, come back up."""

    async def nest(context: Context, data: Any) -> Any:
        if data == 0:
            return 1
        if data < 0:
            raise Failed("too deep")
        return 1 + await context.child(f"level-{data}", "nest", data - 1)

    async def brave(context: Context, _data: Any) -> Any:
        try:
            await context.child("c", "nest", -1)
        except Failed as error:
            return f"child: {error}"

    worker = ReplayingWorker(client, {"nest": nest, "brave": brave}, queue="q", style=style)
    async with worker.serving():
        assert await worker.result(await worker.start("nest", 3)) == 4
        assert "too deep" in await worker.result(await worker.start("brave"))


async def test_a_worker_that_forgets_and_repeats_itself_does_no_harm(client: Client, style: Style) -> None:
    """A replay from an empty history, and late copies of everything: each command is carried out once."""
    done = []

    async def note(_task: TaskContext, data: Any) -> Any:
        done.append(data)
        return data

    async def code(context: Context, _data: Any) -> Any:
        first, go = context.task("note", 1), context.promise("go")
        return [await first, await go, await context.task("note", 2)]

    worker = ReplayingWorker(client, {"code": code}, {"note": note}, style=style)
    worker.copies = 2
    worker.forgets = lambda activation: activation == 2
    async with another_connection(client) as observer, worker.serving(pollers=1):
        watching = ReplayingWorker(observer, {}, style=style)
        workflow_id = await worker.start("code")
        history = await watching.until(workflow_id, "TASK_COMPLETED")
        promise_id = next(data["promiseId"] for event, data in history if event == "PROMISE_CREATED")
        await client.dispatch.ResolvePromise(
            workflow_pb2.ResolvePromiseRequest(promise_id=promise_id, value=b"true"), metadata=bearer()
        )
        assert await watching.result(workflow_id) == [1, True, 2]
    events = [event for event, _ in await worker.history(workflow_id)]
    assert (events.count("TASK_SCHEDULED"), events.count("PROMISE_CREATED")) == (2, 1)
    assert done == [1, 2]


async def test_code_that_changed_is_found_out(client: Client, style: Style) -> None:
    """A replay that does something else than before fails the workflow and says where."""
    kinds = iter(["one", "two"])

    async def code(context: Context, _data: Any) -> Any:
        await context.task(next(kinds), max_retries=0)

    worker = ReplayingWorker(client, {"code": code}, {"one": _double, "two": _double}, style=style)
    async with worker.serving(pollers=1):
        with pytest.raises(WorkflowFailed, match="TASK_SCHEDULED number 0"):
            await worker.result(await worker.start("code", 1))
