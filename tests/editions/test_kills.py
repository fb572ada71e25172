"""Server processes and workers of one name are killed again and again: every workflow ends, once, and soon."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from contextlib import ExitStack
from typing import Any

import psycopg

from proto.flovyn.v1 import workflow_pb2 as pb
from tests.support.killable_worker import QUEUE, KillableWorker, result_of
from tests.support.load import Persistent
from tests.support.repetitions import times
from tests.support.restarting import Restarting, restarting
from tests.support.running import TENANT, bearer

LEASE_S = 5
SETTINGS = {
    "ENGINE__ACTIVATION_LEASE": str(LEASE_S),
    "ENGINE__TASK_LEASE": str(LEASE_S),
    "ENGINE__WORKER_SILENCE": str(LEASE_S),
}
WORKFLOWS = times(30, 1000)
KILLS = times(4, 40)
WORKERS = 3
SETTLED_S = LEASE_S + 10
"""After the last kill, everything has ended within this time, in seconds."""

PATIENCE_S = times(120, 2400)

DONE = "SELECT count(*) FROM workflow_execution WHERE kind = 'order' AND completed_at IS NOT NULL"
OPEN_PROMISES = "SELECT id::text FROM promise WHERE status = 'PENDING'"
HISTORIES = """
    SELECT r.kind, r.status, r.last_sequence = count(e.*), max(e.sequence) = count(e.*),
        count(e.*) FILTER (WHERE e.event_type LIKE 'WORKFLOW%%ED' AND e.event_type <> 'WORKFLOW_STARTED'),
        count(DISTINCT e.event_data ->> 'taskExecutionId') FILTER (WHERE e.event_type = 'TASK_COMPLETED'),
        count(*) FILTER (WHERE e.event_type = 'TASK_COMPLETED'),
        count(*) FILTER (WHERE e.event_type = 'PROMISE_CREATED')
    FROM workflow_execution AS r
    INNER JOIN workflow_event AS e ON e.tenant_id = r.tenant_id AND e.workflow_execution_id = r.id
    GROUP BY r.tenant_id, r.id
"""


class Shop:
    """The clients: they start orders, signal them, and resolve their promises."""

    def __init__(self, port: int, database_url: str) -> None:
        self._server = Persistent(port)
        self._database_url = database_url
        self._resolved: set[str] = set()

    async def query(self, query: str) -> list[tuple[Any, ...]]:
        """Return rows of the database."""
        connection: psycopg.AsyncConnection[tuple[Any, ...]]
        async with await psycopg.AsyncConnection.connect(self._database_url, autocommit=True) as connection:
            return await (await connection.execute(query.encode())).fetchall()

    async def start(self, number: int) -> None:
        """Start an order under a key of its own, and signal it."""
        request = pb.StartWorkflowRequest(
            tenant_id=str(TENANT),
            workflow_kind="order",
            queue=QUEUE,
            input=json.dumps(number).encode(),
            idempotency_key=f"order-{number}",
        )
        workflow_id = (await self._server.dispatch.StartWorkflow(request, metadata=bearer())).workflow_execution_id
        signal = pb.SignalWorkflowRequest(
            tenant_id=str(TENANT), workflow_execution_id=workflow_id, signal_name="go", signal_value=b'"went"'
        )
        await self._server.dispatch.SignalWorkflow(signal, metadata=bearer())

    async def done(self, wanted: int) -> None:
        """Resolve promises until so many orders have ended."""
        while True:
            ((done,),) = await self.query(DONE)
            if done >= wanted:
                return
            for (promise,) in await self.query(OPEN_PROMISES):
                if promise not in self._resolved:
                    request = pb.ResolvePromiseRequest(promise_id=promise, value=b'"approved"')
                    await self._server.dispatch.ResolvePromise(request, metadata=bearer())
                    self._resolved.add(promise)
            await asyncio.sleep(0.1)  # between two looks at the database

    async def check(self) -> None:
        """Every order and every part has ended once, with its result, and nothing is out."""
        found = Counter(await self.query(HISTORIES.replace("%%", "%")))
        assert found == {
            ("order", "COMPLETED", True, True, 1, 3, 3, 1): WORKFLOWS,
            ("part", "COMPLETED", True, True, 1, 1, 1, 0): WORKFLOWS,
        }
        outputs = await self.query("SELECT input::text, output FROM workflow_execution WHERE kind = 'order'")
        assert [each for each in outputs if each[1] != result_of(int(each[0]))] == []
        assert await self.query("SELECT DISTINCT status FROM task_execution") == [("COMPLETED",)]

    async def close(self) -> None:
        """Hang up."""
        await self._server.channel.close()


def _kill_all(workers: list[KillableWorker]) -> None:
    for worker in workers:
        worker.kill()


async def _kill(server: Restarting, workers: list[KillableWorker], dice: random.Random) -> None:
    """Kill a worker, or one or all processes of the server; start what was killed again."""
    if dice.random() < 0.5:
        index = dice.randrange(len(workers))
        await asyncio.to_thread(workers[index].kill)
        workers[index] = KillableWorker(server.server.grpc_port)
    else:
        await server.crash(dice)


async def test_everything_ends_soon_after_the_last_kill(empty_database: str) -> None:
    """Three tasks, a timer, a promise, a signal and a child each; killed at any moment, forty times in full."""
    dice = random.Random(times(1, 2))  # noqa: S311 - not a secret
    async with restarting(empty_database, **SETTINGS) as server, asyncio.timeout(PATIENCE_S):
        port = server.server.grpc_port
        shop, workers = Shop(port, empty_database), [KillableWorker(port) for _ in range(WORKERS)]
        with ExitStack() as stack:
            stack.callback(_kill_all, workers)
            starting = [asyncio.create_task(shop.start(number)) for number in range(WORKFLOWS)]
            for number in range(KILLS):
                await shop.done(number * WORKFLOWS // KILLS)
                await _kill(server, workers, dice)
            await shop.done(WORKFLOWS * (2 * KILLS - 1) // (2 * KILLS))
            await _kill(server, workers, dice)
            await asyncio.gather(*starting)
            async with asyncio.timeout(SETTLED_S):
                await shop.done(WORKFLOWS)
            await shop.check()
        await shop.close()
