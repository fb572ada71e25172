"""Crashes, of the server and of its database: what was acknowledged is done, once, and clients that retry see nothing."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc.aio
import psycopg
import pytest

from proto.flovyn.v1 import workflow_pb2 as pb
from tests.support.calls import status_of
from tests.support.load import Load, Persistent
from tests.support.orders import Orders, check_histories
from tests.support.pex import Serving, serving
from tests.support.postgres import CrashingCluster
from tests.support.repetitions import times
from tests.support.restarting import SETTINGS, restarting
from tests.support.running import TENANT, WORKER_KEY, Connection, bearer
from tests.support.styles import FFI, RUST

CALLERS, POLLERS = 50, 200
END_S = times(60, 300)
"""All crashes are over by then, and everything has got on."""

HEALS_S = 5.0
"""The database being back, the server works again within this time."""

DISPATCHES, DISPATCHES_S = 10, 10.0
"""So many dispatches take 20 s when pollers get no wake-ups and look by themselves (every 2 s)."""

WORKFLOWS = "/api/v1/tenants/test/workflow-executions"


async def test_nothing_acknowledged_is_lost_or_done_twice_when_the_server_is_killed(empty_database: str) -> None:
    """Killed again and again, whole or one worker, while orders run: each ends once, numbered 1..n."""
    crashes, each = times(3, 20), times(7, 8)
    dice = random.Random(times(1, 2))  # noqa: S311 - not a secret
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(restarting(empty_database))
        families = [Orders(server.server.grpc_port, style) for style in (FFI, RUST)]
        for orders in families:
            await stack.enter_async_context(orders.serving())
        async with asyncio.timeout(END_S), asyncio.TaskGroup() as group:
            for orders in families:
                group.create_task(orders.settle(crashes * each))
            for number in range(crashes * each):
                for orders in families:
                    group.create_task(orders.start(number))
                if (number + 1) % each == 0:
                    await families[0].workers.more(dice.randint(1, 150))
                    await server.crash(dice)
        for orders in families:
            await orders.check()
            assert len(orders.started) == crashes * each
        await asyncio.to_thread(check_histories, empty_database, 4 * crashes * each)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGKILL"])
async def test_a_client_that_retries_sees_no_failed_call(name: str, empty_database: str) -> None:
    """A stop and a new start, a reload, a worker killed; 50 callers and 200 parked polls."""
    async with restarting(empty_database, ENGINE__POLL_HOLD_MS="60000") as server:
        for _ in range(times(1, 10)):  # a load each: a channel tries a call, such as a parked poll, five times at most
            async with Load(server.server.grpc_port, CALLERS, POLLERS) as load:
                await server.disturb(name)
                await load.more(500)
            assert load.failures == []


def _start(queue: str, key: str) -> pb.StartWorkflowRequest:
    return pb.StartWorkflowRequest(tenant_id=str(TENANT), workflow_kind="k", queue=queue, idempotency_key=key)


async def _handed_over(here: Persistent, there: Persistent, key: str) -> None:
    """Start a workflow at one server while a poller is parked at the other one, and wait until that has it and ends it."""
    poll = pb.PollRequest(tenant_id=str(TENANT), queue="watched")
    polling = asyncio.ensure_future(there.dispatch.PollWorkflow(poll, metadata=bearer()))
    await there.dispatch.StartWorkflow(_start("others", f"beside {key}"), metadata=bearer())  # by then it is parked
    answer = await here.dispatch.StartWorkflow(_start("watched", key), metadata=bearer())
    while (handed := (await polling).workflow_execution.id) != answer.workflow_execution_id:
        polling = asyncio.ensure_future(there.dispatch.PollWorkflow(poll, metadata=bearer()))
        assert not handed
    end = pb.SubmitWorkflowCommandsRequest(workflow_execution_id=handed, status=pb.WORKFLOW_STATUS_COMPLETED)
    await there.dispatch.SubmitWorkflowCommands(end, metadata=bearer())


class Callers:
    """Clients that start workflows all the time, and remember each acknowledged one."""

    def __init__(self, connection: Persistent) -> None:
        self._connection = connection
        self.acknowledged: list[str] = []

    async def start(self, name: str) -> None:
        """Start runs until cancelled, each under a key of its own."""
        for number in itertools.count():
            request = _start("others", f"{name}-{number}")
            answer = await self._connection.dispatch.StartWorkflow(request, metadata=bearer())
            self.acknowledged.append(answer.workflow_execution_id)


@asynccontextmanager
async def _cluster(folder: Path) -> AsyncIterator[CrashingCluster]:
    cluster = CrashingCluster(folder / "postgres")
    await asyncio.to_thread(cluster.start)
    try:
        yield cluster
    finally:
        await asyncio.to_thread(cluster.stop)


async def _refused(server: Serving) -> None:
    """The database is gone: gRPC answers UNAVAILABLE and REST 503, in words."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        start = Connection(channel).dispatch.StartWorkflow
        code, text = await status_of(start(_start("others", "refused"), metadata=bearer()))
        assert (code, "try again" in text) == (grpc.StatusCode.UNAVAILABLE, True)
    answers = [await asyncio.to_thread(server.get, path, WORKER_KEY) for path in ("/_/health/ready", WORKFLOWS)]
    assert [status for status, _ in answers] == [503, 503]


async def test_the_server_heals_when_its_database_comes_back(tmp_path: Path) -> None:
    """PostgreSQL dies under load, for a while: UNAVAILABLE meanwhile; soon all works, LISTEN too; nothing is lost."""
    settings = {**SETTINGS, "PROCESS__WORKERS": "1", "ENGINE__POLL_HOLD_MS": "60000", "DATABASE__CONNECT_TIMEOUT": "1"}
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(_cluster(tmp_path))
        servers = [await stack.enter_async_context(serving("MINIMAL_PEX", cluster.url(), **settings)) for _ in "12"]
        here, there = (Persistent(server.grpc_port) for server in servers)
        callers = Callers(here)
        tasks = [asyncio.create_task(callers.start(str(number))) for number in range(20)]
        await here.more(200)
        await _handed_over(here, there, "before")
        await asyncio.to_thread(cluster.crash)
        for server in servers:
            await _refused(server)
            await asyncio.to_thread(server.wait_for, "notifications failed", times(1, 8))
        await asyncio.to_thread(cluster.come_back)
        async with asyncio.timeout(HEALS_S):
            await _handed_over(here, there, "after")
            await _listening(cluster.url(), len(servers))
        async with asyncio.timeout(DISPATCHES_S):
            for number in range(DISPATCHES):
                await _handed_over(here, there, str(number))
        await here.more(200)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await asyncio.gather(here.channel.close(), there.channel.close())
        await asyncio.to_thread(_check_present, cluster.url(), callers.acknowledged)


async def _listening(database_url: str, servers: int) -> None:
    """Wait until so many servers listen for work again."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        while await (await connection.execute(query)).fetchone() != (servers,):
            pass


def _check_present(database_url: str, acknowledged: list[str]) -> None:
    with psycopg.connect(database_url) as connection:
        query = "SELECT id::text FROM workflow_execution WHERE id = ANY(%s::uuid[])"
        assert len(connection.execute(query, [acknowledged]).fetchall()) == len(set(acknowledged)) > 0
