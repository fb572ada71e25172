"""Deadlines of the tasks of agents, retention, older servers beside this one, and long conversations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import grpc
import pytest_asyncio

from proto.flovyn.v1 import agent_pb2 as pb
from server.storage.agent_records import FIRST_ENTRIES
from tests.support.agents import Agents, task_id
from tests.support.driving import refusal, until
from tests.support.running import running_server

TABLES = ("agent_execution", "agent_entry", "agent_checkpoint", "agent_signal", "task_execution", "task_attempt")
COUNTS = ", ".join(f"(SELECT count(*) FROM {table})" for table in TABLES)


@pytest_asyncio.fixture
async def agents(database: str) -> AsyncIterator[Agents]:
    async with running_server(database) as client:
        yield Agents(client)


async def test_a_task_past_its_deadline_wakes_its_agent(agents: Agents) -> None:
    """It fails for good with the words that clients look for; its worker comes too late."""
    agent = await agents.create()
    await agents.claim()
    await agents.schedule(agent, "short", timeout_ms=100)
    await agents.schedule(agent, "long", 1, timeout_ms=3_600_000)
    task = await agents.task()
    await agents.suspend_for_tasks(agent, "short")
    assert await until(lambda: agents.status(agent), lambda status: status == "PENDING")
    [(status, error), (other, _)] = await agents.results(agent, "short", "long")
    assert (status, other) == ("FAILED", "PENDING")
    assert "timed out" in error.lower()
    assert task.task_execution_id == task_id("short")
    assert (await refusal(agents.finish_task(task.task_execution_id)))[0] is grpc.StatusCode.FAILED_PRECONDITION


async def test_old_finished_agents_go_with_all_that_is_theirs(agents: Agents) -> None:
    """One that ended just now, and an open one, stay."""
    old, new, _ = [await agents.create() for _ in range(3)]
    for agent in (old, new):
        await agents.claim()
        await agents.append(agent)
        await agents.checkpoint(agent)
        await agents.signal(agent, "s")
        key = str(uuid4())
        await agents.schedule(agent, key, max_retries=0)
        await agents.task()
        await agents.fail_task(task_id(key))
        await agents.complete(agent)
    async with agents.client.pool.connection() as connection:
        query = b"UPDATE agent_execution SET completed_at = now() - interval '2 hours' WHERE id = %s"
        await connection.execute(query, (UUID(old),))
    assert await agents.client.engine.agents.prune(3600) == 1
    assert (await agents.rest("GET", f"/{old}")).status_code == 404
    async with agents.client.pool.connection() as connection:
        assert await (await connection.execute(f"SELECT {COUNTS}".encode())).fetchone() == (2, 1, 1, 1, 1, 1)


async def test_tasks_that_an_older_server_ends_wake_their_agents(agents: Agents) -> None:
    """It writes the end and knows of no agent. A wait for any task counts that end once, and does not spin."""
    agent = await agents.create()
    await agents.claim()
    for key in ("k1", "k2"):
        await agents.schedule(agent, key, key)
    await agents.suspend_for_tasks(agent, "k1", "k2", mode=pb.WAIT_MODE_ANY)
    async with agents.client.pool.connection() as connection:
        query = b"UPDATE task_execution SET status = 'COMPLETED', output = '1', completed_at = now() WHERE id = %s"
        await connection.execute(query, (UUID(task_id("k1")),))
    assert await agents.status(agent) == "WAITING"
    assert await agents.client.engine.agents.wake_forgotten() == 1
    assert await agents.status(agent) == "PENDING"
    await agents.claim()
    await agents.suspend_for_tasks(agent, "k1", "k2", mode=pb.WAIT_MODE_ANY)
    assert await agents.client.engine.agents.wake_forgotten() == 0
    assert await agents.status(agent) == "WAITING"
    await agents.cancel_task(agent, "k2")
    assert await agents.status(agent) == "PENDING"


async def test_a_long_conversation_comes_in_order(agents: Agents) -> None:
    """More entries than a page holds, small and large ones; and those after any of them."""
    agent = await agents.create()
    await agents.claim()
    sizes = [10] * (2 * FIRST_ENTRIES) + [100_000] * 15 + [10]
    ids = [await agents.append(agent, f"{number} {'x' * size}") for number, size in enumerate(sizes)]
    assert [entry.id for entry in await agents.entries(agent)] == ids
    assert [entry.id for entry in await agents.entries(agent, after_entry_id=ids[99])] == ids[100:]
    large = await agents.create()
    await agents.claim()
    only = await agents.append(large, "x" * 500_000)
    assert [entry.id for entry in await agents.entries(large)] == [only]
