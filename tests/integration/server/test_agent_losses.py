"""Agents whose activations are lost, and calls that name what is not theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import grpc
import pytest_asyncio

from proto.flovyn.v1 import agent_pb2 as pb
from tests.support.agents import Agents
from tests.support.driving import refusal
from tests.support.running import OTHER_KEY, another_connection, running_server

NOT_FOUND, INVALID = grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT


@pytest_asyncio.fixture
async def agents(database: str) -> AsyncIterator[Agents]:
    async with running_server(database) as client:
        yield Agents(client)


async def _age(agents: Agents, seconds: int) -> None:
    """Let the claims of all agents be older."""
    await agents.client.engine.agents.claims.write_signs()
    async with agents.client.pool.connection() as connection:
        await connection.execute(
            b"UPDATE agent_execution SET claimed_at = claimed_at - %(s)s * interval '1 second',"
            b" last_seen_at = last_seen_at - %(s)s * interval '1 second'",
            {"s": seconds},
        )


async def test_an_agent_whose_answer_was_lost_is_pending_again(agents: Agents) -> None:
    """No call has named it for half a minute; one that was named stays with its worker."""
    lost, held = await agents.create(), await agents.create()
    assert await agents.poll() is not None
    await agents.claim()
    await _age(agents, 40)
    await agents.client.engine.agents.reclaim(60)
    assert [await agents.status(each) for each in (lost, held)] == ["PENDING", "RUNNING"]


async def test_signals_of_a_lost_activation_come_again(agents: Agents) -> None:
    """A checkpoint makes their consumption final."""
    agent = await agents.create()
    await agents.claim()
    for value in (1, 2):
        await agents.signal(agent, "n", value)
    assert await agents.consume(agent, signal_name="n") == [("n", 1)]
    await agents.checkpoint(agent)
    assert await agents.consume(agent, signal_name="n") == [("n", 2)]
    await _age(agents, 100)
    assert await agents.client.engine.agents.reclaim(60) == 1
    assert await agents.status(agent) == "PENDING"
    await agents.claim()
    assert await agents.consume(agent) == [("n", 2)]


async def test_an_agent_that_is_lost_again_and_again_fails(agents: Agents) -> None:
    """After five activations without a checkpoint it names the reason."""
    agent = await agents.create()
    for _ in range(5):
        assert await agents.poll() is not None
        await _age(agents, 40)
        assert await agents.client.engine.agents.reclaim(60) == 1
    found = await agents.get(agent)
    assert (found["status"], "5 times" in found["error"]) == ("FAILED", True)


async def test_a_failure_of_the_connection_does_not_fail_the_agent(agents: Agents) -> None:
    """Workers report a call that did not reach the server as a failure of the agent: three times it is tried again."""
    agent = await agents.create()
    for status in ("PENDING", "PENDING", "PENDING", "FAILED"):
        await agents.claim()
        await agents.fail(agent, "gRPC error: status: Unavailable, message: transport error")
        assert await agents.status(agent) == status


async def test_a_failure_of_a_suspended_agent_is_refused(agents: Agents) -> None:
    """The worker may only have missed the answer to its suspension."""
    agent = await agents.create()
    await agents.claim()
    await agents.suspend(agent, wait_for_signal="n")
    assert (await refusal(agents.fail(agent)))[0] is grpc.StatusCode.FAILED_PRECONDITION
    assert await agents.status(agent) == "WAITING"


async def test_another_tenant_finds_no_agent(agents: Agents) -> None:
    """Every call about an agent of the first tenant is answered as for an unknown one."""
    agent = await agents.create()
    await agents.claim()
    await agents.schedule(agent, "k")
    async with another_connection(agents.client) as connection:
        other = Agents(agents.client, connection, OTHER_KEY)
        for call in (
            other.entries(agent),
            other.append(agent),
            other.checkpoint(agent),
            other.latest(agent),
            other.schedule(agent),
            other.results(agent, "k"),
            other.cancel_task(agent, "k"),
            other.suspend(agent, wait_for_signal="n"),
            other.consume(agent),
            other.has_signal(agent, "n"),
            other.complete(agent),
            other.fail(agent),
        ):
            assert (await refusal(call))[0] is NOT_FOUND
    assert await agents.status(agent) == "RUNNING"


async def test_malformed_calls_are_refused(agents: Agents) -> None:
    """The agent goes on as if nothing had been sent."""
    agent = await agents.create()
    await agents.claim()
    header = pb.ScheduleAgentTaskChunk(header=pb.ScheduleAgentTaskHeader(agent_execution_id=agent, task_kind="t"))
    piece = pb.ScheduleAgentTaskChunk(input_chunk=b"1")
    for call, code in (
        (agents.suspend(agent), INVALID),
        (agents.suspend(agent, wait_for_tasks=pb.WaitForTasks()), INVALID),
        (agents.suspend(agent, wait_for_task="x"), INVALID),
        (agents.suspend(agent, wait_for_task=str(uuid4())), NOT_FOUND),
        (agents.append(agent, parent_id=str(uuid4())), INVALID),
        (agents.entries(agent, after_entry_id=str(uuid4())), INVALID),
        (agents.schedule_chunks([]), INVALID),
        (agents.schedule_chunks([piece]), INVALID),
        (agents.schedule_chunks([header, header]), INVALID),
        (agents.schedule(agent, data="x" * (1024 * 1024)), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (agents.spawn(agent, mode="NOWHERE"), INVALID),
    ):
        assert (await refusal(call))[0] is code
    assert await agents.status(agent) == "RUNNING"
