"""Agents over gRPC and REST: the worked sequences of their contract."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio

from proto.flovyn.v1 import agent_pb2 as pb
from tests.support.agents import Agents
from tests.support.driving import refusal, until
from tests.support.running import running_server


@pytest_asyncio.fixture(params=[1, 2])
async def agents(database: str, request: pytest.FixtureRequest) -> AsyncIterator[Agents]:
    """One server process; or two, one for REST and one for the workers."""
    async with running_server(database) as first:
        if request.param == 1:
            yield Agents(first)
            return
        async with running_server(database) as second:
            yield Agents(first, second)


async def test_an_activation_without_tasks(agents: Agents) -> None:
    """Sequence A: an agent is created, claimed, keeps its conversation, and completes."""
    ident = await agents.create(data={"q": 1})
    claimed = await agents.claim()
    assert (claimed.id, claimed.current_checkpoint_seq, claimed.input) == (ident, -1, b'{"q": 1}')
    assert await agents.status(ident) == "RUNNING"
    first = await agents.append(ident, "hello")
    assert await agents.checkpoint(ident, {"step": 1}, first) == 1
    second = await agents.append(ident, "bye", parent_id=first)
    await agents.complete(ident, {"a": 2})
    found = await agents.get(ident)
    assert (found["status"], found["output"], found["currentCheckpointSeq"]) == ("COMPLETED", {"a": 2}, 1)
    assert [(each.id, each.content) for each in await agents.entries(ident)] == [
        (first, b'"hello"'),
        (second, b'"bye"'),
    ]


async def test_two_tasks_and_a_suspension(agents: Agents) -> None:
    """Sequence B: the last end of the two tasks wakes the agent; scheduling again finds the same tasks."""
    ident = await agents.create()
    await agents.claim()
    await agents.checkpoint(ident)
    for key in ("k1", "k2"):
        scheduled = await agents.schedule(ident, key, {"n": key})
        assert scheduled.idempotency_key_new
    assert await agents.results(ident, "k1", "k2", "k1") == [("PENDING", None)] * 3
    assert await agents.checkpoint(ident) == 2
    await agents.suspend_for_tasks(ident, "k1", "k2")
    assert await agents.status(ident) == "WAITING"
    for status in ("WAITING", "PENDING"):
        task = await agents.task()
        await agents.finish_task(task.task_execution_id, task.kind)
        assert await agents.status(ident) == status
    claimed = await agents.claim()
    assert claimed.current_checkpoint_seq == 2
    latest = await agents.latest(ident)
    assert latest is not None
    assert latest.sequence == 2
    again = await agents.schedule(ident, "k1")
    assert (again.idempotency_key_used, again.idempotency_key_new) == (True, False)
    assert await agents.results(ident, "k2", "k1") == [("COMPLETED", "t")] * 2
    await agents.complete(ident)
    assert await agents.status(ident) == "COMPLETED"


async def test_a_signal_around_a_suspension(agents: Agents) -> None:
    """Sequence C: a signal before the suspension meets its condition at once; one after it releases the agent."""
    ident = await agents.create()
    await agents.claim()
    assert await agents.consume(ident, signal_name="n") == []
    await agents.checkpoint(ident)
    assert not await agents.signal(ident, "n", 1)
    await agents.suspend(ident, wait_for_signal="n")
    assert await agents.status(ident) == "PENDING"
    await agents.claim()
    assert await agents.has_signal(ident, "n")
    assert await agents.consume(ident, signal_name="n") == [("n", 1)]
    await agents.suspend(ident, wait_for_signal="n")
    assert await agents.status(ident) == "WAITING"
    assert not await agents.signal(ident, "other")
    assert await agents.signal(ident, "n", 2)
    assert await agents.status(ident) == "PENDING"


async def test_a_child(agents: Agents) -> None:
    """Sequence D: a parent that waits for all children is not woken by a signal, but by the last end."""
    parent = await agents.create()
    await agents.claim()
    child = await agents.spawn(parent, data=1)
    assert await agents.child_events(parent, child) == []
    await agents.checkpoint(parent)
    await agents.suspend(parent, wait_for_all_children=pb.WaitForAllChildren(child_execution_ids=[child]))
    claimed = await agents.claim()
    assert (claimed.id, claimed.parent_execution_id, claimed.input) == (child, parent, b"1")
    assert await agents.signal_parent(child, "progress", 50)
    assert await agents.status(parent) == "WAITING"
    await agents.complete(child, "done")
    assert await agents.status(parent) == "PENDING"
    assert (await agents.claim()).id == parent
    assert await agents.child_events(parent, child) == [(child, "completed", "done")]
    assert await agents.consume(parent) == [("progress", 50)]


async def test_a_signal_of_a_child_is_an_event(agents: Agents) -> None:
    """A parent that waits for an event is woken by the signal, and gets it once."""
    parent = await agents.create()
    await agents.claim()
    children = [await agents.spawn(parent, queue="other") for _ in range(2)]
    await agents.suspend(parent, wait_for_child_event=pb.WaitForChildEvent(child_execution_ids=children))
    assert await agents.signal_parent(children[1], "progress", 50)
    assert await agents.status(parent) == "PENDING"
    await agents.claim()
    await agents.complete(children[0])
    assert await agents.child_events(parent, *children) == [(children[1], "signal", ("progress", 50))]
    assert await agents.child_events(parent, *children) == [(children[0], "completed", None)]


async def test_failures(agents: Agents) -> None:
    """Sequence E: the parent gets the error of its child, word for word."""
    parent = await agents.create()
    await agents.claim()
    children = [await agents.spawn(parent) for _ in range(2)]
    for _ in children:
        await agents.fail((await agents.claim()).id, "no luck", failure_type="AGENT_NOT_FOUND")
    assert await agents.child_events(parent, *children) == [(child, "failed", "no luck") for child in children]
    found = await agents.get(children[0])
    assert (found["status"], found["error"], found["failureType"]) == ("FAILED", "no luck", "AGENT_NOT_FOUND")


async def test_cancellation(agents: Agents) -> None:
    """Sequence F: a waiting agent ends at once with its tasks and children; a running one when its worker reports."""
    waiting = await agents.create()
    await agents.claim()
    await agents.schedule(waiting, "k")
    child = await agents.spawn(waiting, queue="other")
    await agents.suspend_for_tasks(waiting, "k")
    answer = await agents.rest("DELETE", f"/{waiting}")
    assert answer.json == {"agentExecutionId": waiting, "status": "CANCELLED"}
    assert (await agents.rest("GET", f"/{waiting}/tasks")).json["tasks"][0]["status"] == "CANCELLED"
    assert await until(lambda: agents.status(child), lambda status: status == "CANCELLED")
    running = await agents.create()
    await agents.claim()
    cancelled = await agents.rest("POST", f"/{running}/cancel", {"reason": "enough"})
    assert cancelled.json["status"] == "CANCELLING"
    for call in (
        agents.append(running),
        agents.checkpoint(running),
        agents.schedule(running, "k2"),
        agents.consume(running),
        agents.spawn(running),
    ):
        code, text = await refusal(call)
        assert (code, "agent was cancelled" in text) == (grpc.StatusCode.FAILED_PRECONDITION, True)
    await agents.fail(running, "stopped")
    found = await agents.get(running)
    assert (found["status"], found["error"]) == ("CANCELLED", "enough")


async def test_a_race_with_failures(agents: Agents) -> None:
    """Sequence G: a task that had failed before the claim does not wake a wait for any task again."""
    ident = await agents.create()
    await agents.claim()
    keys = [f"{ident}-{name}" for name in "abc"]
    for key in keys:
        await agents.schedule(ident, key, key, max_retries=0)
    await agents.suspend_for_tasks(ident, *keys, mode=pb.WAIT_MODE_ANY)
    await agents.fail_task((await agents.task()).task_execution_id, "no luck")
    assert await agents.status(ident) == "PENDING"
    await agents.claim()
    assert [status for status, _ in await agents.results(ident, *keys)] == ["FAILED", "PENDING", "PENDING"]
    await agents.suspend_for_tasks(ident, *keys, mode=pb.WAIT_MODE_ANY)
    assert await agents.status(ident) == "WAITING"
    await agents.finish_task((await agents.task()).task_execution_id)
    assert await agents.status(ident) == "PENDING"
    await agents.claim()
    assert await agents.cancel_task(ident, keys[2]) == (True, "CANCELLED")
    assert await agents.cancel_task(ident, keys[2]) == (False, "CANCELLED")
    assert (await agents.row(ident, "claim_number"))[0] == 3
