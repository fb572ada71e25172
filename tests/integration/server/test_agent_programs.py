"""Programs of agents, carried out by a worker as the SDK is one, while answers, workers and processes are lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import grpc
import pytest

from server.engine.agents.cancellation import ReclaimCall
from tests.support.agent_worker import AgentContext, AgentFailedError, AgentWorker, WorkerDiedError
from tests.support.agents import Agents
from tests.support.processes import killable_server
from tests.support.repetitions import times
from tests.support.running import TENANT, Client, running_server

MOST_ACTIVATIONS = 8
"""More activations of one of these programs would be a wait that spins."""


async def order(agent: AgentContext) -> Any:
    """Two tasks at once, two signals of one name, a child, and a conversation."""
    await agent.say("question")
    doubled = await agent.join(*[await agent.task("double", number) for number in (1, 2)])
    signals = [await agent.signal("go", slot) for slot in ("first", "second")]
    child = await agent.spawn("part", 5, "child")
    part = await agent.join_child(child)
    await agent.say("answer")
    return [doubled, signals, part, agent.contents]


async def part(agent: AgentContext) -> Any:
    """A child with a task of its own."""
    await agent.tell_parent("progress", 50)
    [doubled] = await agent.join(await agent.task("double", agent.input))
    return doubled


async def race(agent: AgentContext) -> Any:
    """The first success in spite of failures; the loser is cancelled."""
    tasks = [await agent.task(kind, kind, max_retries=0) for kind in ("fail", "hang", "double")]
    won = await agent.first(*tasks)
    return [won, [status for status, _ in await agent.settle(*tasks)]]


async def partial(agent: AgentContext) -> Any:
    """One of two tasks fails for good after a retry; its error comes word for word."""
    tasks = [await agent.task("double", 4), await agent.task("fail", 1, max_retries=1)]
    return [list(each) for each in await agent.settle(*tasks)]


async def _double(data: Any) -> Any:
    return data + data


async def _fail(_data: Any) -> Any:
    raise AgentFailedError("no luck")


async def _hang(_data: Any) -> Any:
    await asyncio.Event().wait()


PROGRAMS = {"order": order, "part": part, "race": race, "partial": partial}
TASKS = {"double": _double, "fail": _fail, "hang": _hang}
ORDERED = [[2, 4], ["a", "b"], 10, ["question", "answer"]]


async def _send_signals(client: Client, agent: str) -> None:
    for value in ("a", "b"):
        await Agents(client).signal(agent, "go", value)


@asynccontextmanager
async def _servers(database: str, number: int) -> AsyncIterator[tuple[Client, Client]]:
    """Run one server or two; yield that of the agents and that of the tasks and of REST."""
    async with running_server(database) as first:
        if number == 1:
            yield first, first
            return
        async with running_server(database) as second:
            yield second, first


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("copies", [1, 2])
async def test_programs_end_with_their_results(database: str, number: int, copies: int) -> None:
    """In one server process and in two, with each call made once and twice; no wait spins."""
    async with _servers(database, number) as (agents_at, tasks_at):
        worker = AgentWorker(tasks_at, PROGRAMS, TASKS, connection=agents_at, tasks_at=tasks_at)
        worker.calls.copies = copies
        async with worker.serving(pollers=3):
            made = {kind: await worker.create(kind) for kind in ("order", "race", "partial")}
            orders = [made["order"], *[await worker.create("order") for _ in range(5)]]
            await asyncio.gather(*(_send_signals(tasks_at, each) for each in orders))
            for each in orders:
                assert await worker.result(each) == ORDERED
            won, statuses = await worker.result(made["race"])
            assert (won, statuses) == ("doubledouble", ["FAILED", "CANCELLED", "COMPLETED"])
            assert await worker.result(made["partial"]) == [["COMPLETED", 8], ["FAILED", "no luck"]]
        for agent in made.values():
            [activations] = await worker.calls.row(agent, "claim_number")
            assert activations <= MOST_ACTIVATIONS
        tasks = (await Agents(tasks_at).rest("GET", f"/{made['order']}/tasks")).json["tasks"]
        assert [task["status"] for task in tasks] == ["COMPLETED"] * 2


async def _run_until_it_dies(worker: AgentWorker) -> bool:
    """Serve until the worker dies; return False if it never does."""
    idle = 0
    while idle < 3:
        before = worker.calls.calls
        try:
            await worker.run_once()
        except WorkerDiedError:
            return True
        await worker.work_once()
        await worker.work_once()
        idle = idle + 1 if worker.calls.calls == before + 1 else 0
    return False


async def test_a_worker_may_die_at_each_step(database: str) -> None:
    """Another worker goes on after any last call, and the result is the same."""
    async with running_server(database, ENGINE__POLL_HOLD_MS="1") as client:
        step, died = 1, True
        while died:
            queue = f"q{step}"
            worker = AgentWorker(client, PROGRAMS, TASKS, queue=queue)
            agent = await worker.create("order")
            await _send_signals(client, agent)
            worker.calls.dies_at = step
            died = await _run_until_it_dies(worker)
            await _reclaim(client, queue)
            other = AgentWorker(client, PROGRAMS, TASKS, queue=queue)
            assert not await _run_until_it_dies(other)
            assert await other.result(agent) == ORDERED
            [activations] = await other.calls.row(agent, "claim_number")
            assert activations <= MOST_ACTIVATIONS
            step += times(2, 1)
        assert step > 20


async def test_a_server_may_be_killed_at_each_step(database: str) -> None:
    """All that it had answered stays, and the result is the same at another server."""
    async with running_server(database, ENGINE__POLL_HOLD_MS="1") as survivor:
        for step in range(3, 30, times(9, 1)):
            queue = f"q{step}"
            async with killable_server(database) as doomed:
                worker = AgentWorker(survivor, PROGRAMS, TASKS, connection=doomed, tasks_at=survivor, queue=queue)
                agent = await worker.create("order")
                await _send_signals(survivor, agent)
                worker.calls.kill_at = step, doomed.kill
                with suppress(grpc.aio.AioRpcError):  # polls that reach no server
                    await _run_until_it_dies(worker)
            await _reclaim(survivor, queue)
            other = AgentWorker(survivor, PROGRAMS, TASKS, queue=queue)
            assert not await _run_until_it_dies(other)
            assert await other.result(agent) == ORDERED


async def _reclaim(client: Client, queue: str) -> None:
    """End the activations of a queue, as the server does when their worker is silent."""
    async with client.pool.connection() as connection:
        query = b"SELECT id, claim_number FROM agent_execution WHERE queue = %s AND status = 'RUNNING'"
        found = await (await connection.execute(query, (queue,))).fetchall()
    for agent, claim_number in found:
        await client.engine.agents.submit(ReclaimCall(TENANT, UUID(str(agent)), claim_number, "its worker died"))
