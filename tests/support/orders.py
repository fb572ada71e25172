"""A workflow that waits for one of everything, started again and again: what must survive crashes and upgrades."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg

from proto.flovyn.v1 import workflow_pb2 as pb
from tests.support.load import Persistent
from tests.support.replay import Context
from tests.support.replaying_worker import ReplayingWorker
from tests.support.running import TENANT, bearer
from tests.support.styles import Style


async def _order(context: Context, data: Any) -> Any:
    """Wait for one of everything."""
    waits = [context.task("double", data, max_retries=50), context.timer(50), context.promise("approval")]
    waits += [context.signal("go"), context.child("part", "part", data)]
    task, _, promise, signalled, child = [await each for each in waits]
    return [task, promise, signalled, child]


async def _part(context: Context, data: Any) -> Any:
    return await context.task("double", data + 1, max_retries=50)


async def _wide(context: Context, data: Any) -> Any:
    waits = [context.task("double", number) for number in range(data)]
    return sum([await each for each in waits])


async def _double(_context: Any, data: Any) -> Any:
    return 2 * data


class Orders:
    """Clients and a worker of one family: they start orders, signal them, and settle their promises.

    With ``workers_port``, the worker polls another server than the clients call.
    """

    def __init__(self, port: int, style: Style, workers_port: int | None = None) -> None:
        self.client, self.workers = Persistent(port), Persistent(workers_port or port)
        workflows = {"order": _order, "part": _part, "wide": _wide}
        self.worker = ReplayingWorker(self.workers, workflows, {"double": _double}, queue=style.name, style=style)
        self._starter = ReplayingWorker(self.client, {}, queue=style.name, style=style)
        self.started: dict[str, int] = {}
        """The acknowledged ones, and their numbers."""
        self.wide: list[str] = []
        """The acknowledged workflows of many tasks."""
        self._promised: set[str] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Let the worker work."""
        async with self.worker.serving(4):
            yield
        await asyncio.gather(self.client.channel.close(), self.workers.channel.close())

    async def start(self, number: int) -> None:
        """Start an order under a key of its own, and signal it."""
        key = f"{self.worker.style.name}-{number}"
        workflow_id = await self._starter.start("order", number, idempotency_key=key)
        self.started[workflow_id] = number
        request = pb.SignalWorkflowRequest(
            tenant_id=str(TENANT), workflow_execution_id=workflow_id, signal_name="go", signal_value=b'"went"'
        )
        await self.client.dispatch.SignalWorkflow(request, metadata=bearer())

    async def settle(self, count: int) -> None:
        """Look at one order after the other until so many have got on; resolve each promise as soon as it is there."""
        while len(self._promised) < count:
            await self.workers.more(1)
            for workflow_id in self.started.keys() - self._promised:
                for event, data in await self._starter.history(workflow_id):
                    if event == "PROMISE_CREATED" and workflow_id not in self._promised:
                        request = pb.ResolvePromiseRequest(promise_id=data["promiseId"], value=b'"approved"')
                        await self.client.dispatch.ResolvePromise(request, metadata=bearer())
                        self._promised.add(workflow_id)

    async def start_wide(self, tasks: int) -> None:
        """Start a workflow that schedules so many tasks at once."""
        self.wide.append(await self._starter.start("wide", tasks))

    async def finish(self, count: int) -> None:
        """Resolve the promises of so many orders, and wait until all workflows have ended."""
        await self.settle(count)
        for workflow_id in (*self.started, *self.wide):
            await self._starter.result(workflow_id)

    async def check(self) -> None:
        """Every acknowledged order has ended once, with its result; no task's result came twice."""
        for workflow_id, number in self.started.items():
            result = await self._starter.result(workflow_id)
            assert result == [2 * number, "approved", "went", 2 * number + 2]
            history = await self._starter.history(workflow_id)
            assert sum(event in ("WORKFLOW_COMPLETED", "WORKFLOW_EXECUTION_FAILED") for event, _ in history) == 1
            tasks = Counter(data["taskExecutionId"] for event, data in history if event == "TASK_COMPLETED")
            assert set(tasks.values()) == {1}


def check_histories(database_url: str, workflows: int) -> None:
    """All workflows have completed, numbered 1..n, children and parents alike; nothing is left over."""
    query = """
        SELECT r.status, r.last_sequence = count(e.*), min(e.sequence), max(e.sequence) = count(e.*),
            count(e.*) FILTER (WHERE e.event_type = 'WORKFLOW_COMPLETED'), count(*) FILTER (
                WHERE e.event_type = 'TASK_COMPLETED'
            )
        FROM workflow_execution AS r
        INNER JOIN workflow_event AS e ON e.tenant_id = r.tenant_id AND e.workflow_execution_id = r.id
        GROUP BY r.tenant_id, r.id"""
    with psycopg.connect(database_url) as connection:
        found = Counter(connection.execute(query).fetchall())
        assert found == {("COMPLETED", True, 1, True, 1, 1): workflows}
        tasks = Counter(connection.execute("SELECT status FROM task_execution").fetchall())
        assert tasks == {("COMPLETED",): workflows}
