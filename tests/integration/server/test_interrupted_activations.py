"""Whatever workers of every family do amiss, a workflow goes on as soon as they do nothing amiss, before any lease."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio

from proto.flovyn.v1 import workflow_pb2 as pb
from server.domain.submission import MAX_CONTESTED
from tests.support.calls import rows
from tests.support.driving import FAILED, fail
from tests.support.repetitions import times
from tests.support.replay import Context, Event
from tests.support.replaying_worker import ReplayingWorker, TaskContext
from tests.support.running import TENANT, Client, Connection, another_connection, bearer, running_server
from tests.support.styles import STYLES, Style

WORKERS = 3
STEPS = 25


@pytest_asyncio.fixture
async def client(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """A running server that gives no grace to claims in doubt."""
    monkeypatch.setattr("server.engine.dispatch.doubtful_claims.GRACE_S", 0.0)
    async with running_server(database, ENGINE__POLL_HOLD_MS="5") as client:
        yield client


async def _code(context: Context, _data: Any) -> Any:
    first, go = context.task("note", 1), context.promise("go")
    return [await first, await go, await context.task("note", 2)]


async def _note(_task: TaskContext, data: Any) -> Any:
    return data


@dataclass
class _Worker:
    """A worker, its present connection, and the activation that it is at, with the history if it has read that."""

    worker: ReplayingWorker
    connection: Connection
    execution: pb.WorkflowExecution | None = None
    history: list[Event] = field(default_factory=list)


class _Disorder:
    """One workflow and its workers. Every method is something that can happen."""

    def __init__(self, client: Client, stack: AsyncExitStack, style: Style, choose: random.Random) -> None:
        self._client = client
        self._stack = stack
        self._style = style
        self._choose = choose
        self._queue = str(uuid4())
        self._sent: list[tuple[ReplayingWorker, pb.SubmitWorkflowCommandsRequest]] = []
        self._workers: list[_Worker] = []
        self.observer = self._worker(client)

    async def begin(self) -> None:
        """Connect the workers and start the workflow."""
        for _ in range(WORKERS):
            connection = await self._connect()
            self._workers.append(_Worker(self._worker(connection), connection))
        self.workflow_id = await self.observer.start("code")

    def _worker(self, connection: Connection) -> ReplayingWorker:
        return ReplayingWorker(connection, {"code": _code}, {"note": _note}, queue=self._queue, style=self._style)

    async def _connect(self) -> Connection:
        return await self._stack.enter_async_context(another_connection(self._client))

    async def _reconnect(self, each: _Worker) -> None:
        each.connection = await self._connect()
        each.worker = self._worker(each.connection)

    def _any(self, *, busy: bool) -> _Worker | None:
        found = [each for each in self._workers if (each.execution is not None) == busy]
        return self._choose.choice(found) if found else None

    async def poll(self) -> None:
        """A worker asks for a workflow. It may get the history, an error in its place, or not even ask."""
        each = self._any(busy=False)
        if each is None:
            return
        each.execution, each.history = await each.worker.claim(), []
        if each.execution is None:
            return
        reads = self._choose.random()
        if reads < 0.6:
            each.history = await each.worker.history(each.execution.id)
        elif reads < 0.8:
            request = pb.GetEventsRequest(workflow_execution_id=each.execution.id)
            with suppress(grpc.aio.AioRpcError):  # the answer comes too late; or it is not received
                await each.connection.dispatch.GetEvents(request, metadata=bearer(), timeout=0.002)

    async def submit(self) -> None:
        """A worker submits, perhaps over a new connection, perhaps several times."""
        each = self._any(busy=True)
        if each is not None:
            if self._choose.random() < 0.2:
                await self._reconnect(each)
            await self._submit(each, copies=self._choose.choice((1, 1, 2, 3)))

    async def _submit(self, each: _Worker, copies: int = 1) -> None:
        assert each.execution is not None
        request = each.worker.replayed(each.execution, each.history)
        each.execution = None
        self._sent.append((each.worker, request))
        for _ in range(copies):
            await each.worker.submit(request)

    async def lose(self) -> None:
        """A submission never arrives; its worker reports the broken connection as the failure of the workflow."""
        each = self._any(busy=True)
        if each is None or not await self._is_recognised():
            return
        await self._reconnect(each)
        each.execution = None
        request = pb.SubmitWorkflowCommandsRequest(
            workflow_execution_id=self.workflow_id, commands=[fail("connection reset")], status=FAILED
        )
        await each.worker.submit(request)

    async def _is_recognised(self) -> bool:
        """Return whether the report can be told from a holder's: else it is right to apply it."""
        query = "SELECT contested, held_by FROM workflow_execution WHERE id = %(id)s"
        [(contested, held_by)] = await rows(self._client, query, id=self.workflow_id)
        senders = self._client.engine.workflows.claims.senders
        return contested <= MAX_CONTESTED and (held_by is None or senders.identifies((TENANT, held_by)))

    async def repeat(self) -> None:
        """A copy of an earlier submission arrives, over the connection of the first one."""
        if self._sent:
            worker, request = self._choose.choice(self._sent)
            await worker.submit(request)

    async def end_lease(self) -> None:
        """The lease is over."""
        await self._client.engine.workflows.reclaim(0, 0)

    async def work(self) -> None:
        """A task is carried out."""
        await self._choose.choice(self._workers).worker.work_once()

    async def resolve(self) -> None:
        """The promise of the workflow, should there be one, is resolved."""
        for event, data in await self.observer.history(self.workflow_id):
            if event == "PROMISE_CREATED":
                request = pb.ResolvePromiseRequest(promise_id=data["promiseId"], value=b"true")
                await self._client.dispatch.ResolvePromise(request, metadata=bearer())
                return

    async def calm(self) -> Any:
        """Workers end what they are at, and do nothing amiss any more; return the workflow's output."""
        for each in self._workers:
            if each.execution is not None:
                await self._submit(each)
        result = asyncio.create_task(self.observer.result(self.workflow_id))
        while not result.done():
            await self.work()
            await self.resolve()
            await self._workers[0].worker.run_once()
        return await result


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
async def test_nothing_that_workers_do_amiss_holds_a_workflow_up(client: Client, style: Style) -> None:
    """Histories that are not read, copies, lost submissions, new connections, leases that are over: in any order."""
    for seed in range(times(25, 1000)):
        choose = random.Random(f"{style.name} {seed}")  # noqa: S311
        async with AsyncExitStack() as stack:
            disorder = _Disorder(client, stack, style, choose)
            await disorder.begin()
            happens = [disorder.poll] * 4 + [disorder.submit] * 4
            happens += [disorder.lose, disorder.repeat, disorder.end_lease, disorder.work, disorder.resolve]
            for _ in range(STEPS):
                await choose.choice(happens)()
            assert await disorder.calm() == [1, True, 2], seed
