"""A deployment without work asks its database for next to nothing, however large it is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

import pytest

from server.domain.worker import Category
from tests.support.calls import poll, poll_task, start, submit_task
from tests.support.running import Client, running_server
from tests.support.statements import log_statements, statements_within

SECONDS = 6.0
PER_SECOND = 2.0
WAIT_S = 20
HOLD = "60000"
"""In milliseconds: pollers wait for longer than a test."""


async def _settled(stack: AsyncExitStack, database: str, count: int) -> list[Client]:
    """Run ``count`` servers, each of which stands for a process, until one leads and all hear it."""
    servers = [
        await stack.enter_async_context(running_server(database, ENGINE__POLL_HOLD_MS=HOLD)) for _ in range(count)
    ]
    async with asyncio.timeout(WAIT_S):
        for server in servers:
            await server.listening.connected.wait()
        while sum(server.leadership.leads for server in servers) != 1:
            await asyncio.sleep(0)
    return servers


async def _park(servers: list[Client]) -> Sequence[asyncio.Task[object]]:
    """Let a poller of each category wait in every server."""
    parked: list[asyncio.Task[object]] = []
    for server in servers:
        for category, ask in ((Category.WORKFLOW, poll), (Category.TASK, poll_task)):
            parked.append(asyncio.create_task(ask(server)))
            await asyncio.wait_for(server.engine.wakeups[category].parked.wait(), WAIT_S)
    return parked


async def _add_waiting_agents(database: str, number: int) -> None:
    """Add agents that wait for a signal."""
    async with running_server(database) as server, server.pool.connection() as connection:
        await connection.execute(
            "INSERT INTO agent_execution (tenant_id, id, kind, queue, status, persistence_mode, metadata, input, depth,"
            " claim_at, claim_number, wait_kind, wait_name, created_at, updated_at)"
            " SELECT t.id, gen_random_uuid(), 'k', 'q', 'WAITING', 'REMOTE', '{}', 'null', 0, now(), 1, 'SIGNAL', 's',"
            " now(), now() FROM tenant AS t, generate_series(1, %s) WHERE t.slug = 'test'",
            (number,),
        )


@pytest.mark.parametrize(("processes", "waiting"), [(1, 0), (4, 0), (1, 10_000)])
async def test_an_idle_deployment_sends_two_statements_a_second_at_most(
    database: str, processes: int, waiting: int
) -> None:
    """Of all processes together, in which pollers wait: the leader alone looks for work. Waiting agents cost none."""
    await _add_waiting_agents(database, waiting)
    log_statements(database)
    async with AsyncExitStack() as stack:
        servers = await _settled(stack, database, processes)
        parked = await _park(servers)
        sent = await statements_within(database, SECONDS)
        for each in parked:
            each.cancel()
        await asyncio.gather(*parked, return_exceptions=True)
    assert 0 < sum(sent.values()) <= PER_SECOND * SECONDS, sent


async def test_a_connection_on_which_the_leader_is_heard_is_not_checked(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check is for silent connections; each process would send it."""
    monkeypatch.setattr("server.database.notifications._ALIVE_CHECK_S", 3.0)
    log_statements(database)
    async with AsyncExitStack() as stack:
        await _settled(stack, database, 2)
        sent = await statements_within(database, SECONDS)
    assert "SELECT 1" not in sent


async def test_pollers_of_other_processes_find_work_without_a_notification(database: str) -> None:
    """A notification is lost when a process dies between its commit and the notification."""
    async with AsyncExitStack() as stack:
        servers = await _settled(stack, database, 2)
        (other,) = [server for server in servers if not server.leadership.leads]
        workflow_id = await start(other, queue="q")
        assert await poll(other, "q") is not None
        waiting = asyncio.create_task(poll(other, "q"))
        await asyncio.wait_for(other.engine.wakeups[Category.WORKFLOW].parked.wait(), WAIT_S)
        async with other.pool.connection() as connection:
            await connection.execute("UPDATE workflow_execution SET status = 'PENDING'")
        found = await asyncio.wait_for(waiting, WAIT_S)
        assert found is not None
        assert found.id == workflow_id


async def test_a_poller_gets_a_task_when_its_scheduled_time_comes(database: str) -> None:
    """Also when the task was made by another process, which did not look after it."""
    async with AsyncExitStack() as stack:
        servers = await _settled(stack, database, 2)
        (other,) = [server for server in servers if not server.leadership.leads]
        task_id = await submit_task(servers[0])
        async with other.pool.connection() as connection:
            await connection.execute("UPDATE task_execution SET claim_at = now() + interval '1.2 seconds'")
        task = await asyncio.wait_for(poll_task(other), WAIT_S)
        assert task is not None
        assert task.task_execution_id == task_id
