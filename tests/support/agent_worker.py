"""A small worker for agents that behaves as the newest SDK does, so that tests of agents read as programs.

    async def order(agent: AgentContext) -> Any:
        both = [await agent.task("double", number) for number in (1, 2)]
        return await agent.join(*both)

    worker = AgentWorker(client, {"order": order}, {"double": double})
    async with worker.serving():
        assert await worker.result(await worker.create("order")) == [2, 4]

Code starts at its top in each activation. The worker computes the ids of tasks and entries itself, reports each error of
a call as a failure of the agent, and uses only the first signal of an answer. It can be told to lose answers: it makes
calls twice, or it dies with the answer of a call.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import grpc

from proto.flovyn.v1 import agent_pb2 as pb
from proto.flovyn.v1 import task_pb2
from tests.support.agents import Agents
from tests.support.driving import until
from tests.support.running import TENANT, WORKER_KEY, Client, Connection, bearer

REPEATED = {"AppendEntry", "SuspendAgent", "CompleteAgent", "CancelAgentTask"}
"""Unary calls that change nothing more when they are made twice, beside the streamed ScheduleAgentTask."""

ENDED = ("COMPLETED", "FAILED", "CANCELLED")


class WorkerDiedError(Exception):
    """The worker was killed: it makes no further call."""


class _SuspendedError(Exception):
    """The agent was suspended; its activation ends."""


class AgentFailedError(Exception):
    """The error with which an agent's code ends."""


class LossyAgents(Agents):
    """The calls of a worker, of which answers may be lost."""

    def __init__(self, client: Client, connection: Connection | None = None) -> None:
        super().__init__(client, connection)
        self.calls = 0
        self.copies = 1
        """How often calls of ``REPEATED`` are made."""
        self.dies_at: int | None = None
        """The number of the call with whose answer the worker dies."""
        self.kill_at: tuple[int, Callable[[], Awaitable[None]]] | None = None
        """The number of a call, and what kills its server while the call is under way."""

    async def call(self, name: str, request: Any) -> Any:
        """Make a call; the worker may die with its answer, or the server before it."""
        if self.kill_at is not None and self.calls + 1 >= self.kill_at[0]:
            killing, self.kill_at = asyncio.ensure_future(self.kill_at[1]()), None
            try:
                await super().call(name, request)
            finally:
                await killing
            raise WorkerDiedError
        for _ in range(self.copies - 1 if name in REPEATED else 0):
            await super().call(name, request)
        answer = await super().call(name, request)
        self._answered()
        return answer

    async def schedule_chunks(self, chunks: Sequence[pb.ScheduleAgentTaskChunk]) -> pb.ScheduleAgentTaskResponse:
        """Send a stream, as often as other calls."""
        for _ in range(self.copies - 1):
            await super().schedule_chunks(chunks)
        return await super().schedule_chunks(chunks)

    async def entries(self, agent: str, **more: Any) -> list[pb.AgentEntry]:
        """Return the entries of an agent."""
        found = await super().entries(agent, **more)
        self._answered()
        return found

    def _answered(self) -> None:
        self.calls += 1
        if self.dies_at is not None and self.calls >= self.dies_at:
            raise WorkerDiedError


class AgentContext:
    """One activation of an agent, and the calls that its code may make."""

    def __init__(
        self, calls: LossyAgents, info: pb.AgentExecutionInfo, entries: list[pb.AgentEntry], state: dict[str, Any]
    ) -> None:
        self._calls = calls
        self.id = info.id
        self.input = json.loads(info.input)
        self.state = state
        self.contents = [json.loads(entry.content) for entry in entries]
        self._leaf = entries[-1].id if entries else None

    async def say(self, content: object) -> None:
        """Append an entry, unless the conversation has one like it."""
        if content not in self.contents:
            key, parent = str(uuid4()), self._leaf
            self.contents.append(content)
            self._leaf = key  # workers use their own id, not that of the answer
            await self._calls.append(self.id, content, key, **({} if parent is None else {"parent_id": parent}))

    async def task(self, kind: str, data: object = None, **options: Any) -> str:
        """Schedule a task; return its key. Equal tasks of an agent are one task."""
        text = json.dumps([self.id, kind, data], sort_keys=True)
        key = f"task:{hashlib.sha256(text.encode()).hexdigest()[:32]}"
        await self._calls.schedule(self.id, key, data, kind, **options)
        return key

    async def join(self, *tasks: str) -> list[Any]:
        """Return the outputs of tasks once all have ended; fail with the first one that has none."""
        results = await self.settle(*tasks)
        for status, value in results:
            if status != "COMPLETED":
                raise AgentFailedError(str(value))
        return [value for _, value in results]

    async def settle(self, *tasks: str) -> list[tuple[str, Any]]:
        """Return status and output or error of tasks once all have ended."""
        results = await self._calls.results(self.id, *tasks)
        if not all(status in ENDED for status, _ in results):
            await self._suspend_for_tasks(tasks, pb.WAIT_MODE_ALL)
        return results

    async def first(self, *tasks: str) -> Any:
        """Return the output of the first task that completes, and cancel the others."""
        results = await self._calls.results(self.id, *tasks)
        won = [key for key, (status, _) in zip(tasks, results, strict=True) if status == "COMPLETED"]
        if not won and all(status in ENDED for status, _ in results):
            raise AgentFailedError("no task completed")
        if not won:
            await self._suspend_for_tasks(tasks, pb.WAIT_MODE_ANY)
        for key in tasks:
            if key != won[0]:
                await self._calls.cancel_task(self.id, key)
        return results[tasks.index(won[0])][1]

    async def signal(self, name: str, slot: str) -> Any:
        """Return the value of a signal once there is one; the state keeps it under ``slot``."""
        if slot not in self.state:
            signals = await self._calls.consume(self.id, signal_name=name)
            if not signals:
                await self.suspend(wait_for_signal=name)
            self.state[slot] = signals[0][1]
            await self.checkpoint()
        return self.state[slot]

    async def spawn(self, kind: str, data: object, slot: str) -> str:
        """Spawn a child; the state keeps its id under ``slot``."""
        if slot not in self.state:
            self.state[slot] = await self._calls.spawn(self.id, kind, data)
            await self.checkpoint()
        return str(self.state[slot])

    async def join_child(self, child: str) -> Any:
        """Return the output of a child once it has ended; its signals are dropped."""
        events = await self._calls.child_events(self.id, child)
        while events and events[0][1] == "signal":
            events = await self._calls.child_events(self.id, child)
        if not events:
            await self.suspend(wait_for_all_children=pb.WaitForAllChildren(child_execution_ids=[child]))
        [(_, kind, told)] = events
        if kind != "completed":
            raise AgentFailedError(str(told))
        return told

    async def tell_parent(self, name: str, value: object) -> None:
        """Send a signal to the parent."""
        await self._calls.signal_parent(self.id, name, value)

    async def checkpoint(self) -> None:
        """Submit a checkpoint."""
        await self._calls.checkpoint(self.id, self.state, self._leaf)

    async def suspend(self, **condition: Any) -> None:
        """Submit a checkpoint and suspend."""
        await self.checkpoint()
        await self._calls.suspend(self.id, **condition)
        raise _SuspendedError

    async def _suspend_for_tasks(self, tasks: Sequence[str], mode: Any) -> None:
        await self.checkpoint()
        await self._calls.suspend_for_tasks(self.id, *tasks, mode=mode)
        raise _SuspendedError


Program = Callable[[AgentContext], Awaitable[Any]]
TaskCode = Callable[[Any], Awaitable[Any]]


class AgentWorker:
    """Polls for the agents and tasks of one queue and carries them out; ``tasks_at`` may be another connection."""

    def __init__(
        self,
        client: Client,
        programs: Mapping[str, Program],
        tasks: Mapping[str, TaskCode],
        *,
        connection: Connection | None = None,
        tasks_at: Connection | None = None,
        queue: str = "q",
    ) -> None:
        self.calls = LossyAgents(client, connection)
        self._rest = Agents(client)
        self._programs = programs
        self._code = tasks
        self._tasks = (tasks_at or connection or client).tasks
        self._queue = queue

    async def create(self, kind: str, data: object = None) -> str:
        """Create an agent over REST; return its id."""
        return await self._rest.create(kind, data, self._queue)

    async def result(self, agent: str) -> Any:
        """Wait until an agent has completed; return its output."""
        found = await until(lambda: self._rest.get(agent), lambda shown: shown["status"] in ENDED)
        assert found["status"] == "COMPLETED", found
        return found["output"]

    @asynccontextmanager
    async def serving(self, pollers: int = 2) -> AsyncIterator[AgentWorker]:
        """Poll until the context is left; an error of the worker itself is raised then."""
        async with asyncio.TaskGroup() as group:
            loops = [self.run_once, self.work_once] * pollers
            serving = [group.create_task(_forever(each)) for each in loops]
            yield self
            for task in serving:
                task.cancel()

    async def run_once(self) -> None:
        """Poll once, and run the activation of the agent that came."""
        info = await self.calls.poll(*self._programs, queue=self._queue)
        if info is None:
            return
        state: dict[str, Any] = {}
        try:
            if info.current_checkpoint_seq >= 0:
                latest = await self.calls.latest(info.id)
                state = json.loads(latest.state) if latest is not None else {}
            entries = await self.calls.entries(info.id)
            output = await self._programs[info.kind](AgentContext(self.calls, info, entries, state))
            await self.calls.complete(info.id, output)
        except _SuspendedError:
            return
        except grpc.aio.AioRpcError as error:
            code = error.code().name.title().replace("_", "")
            await self._fail(info.id, f"gRPC error: status: {code}, message: {error.details()}")
        except AgentFailedError as error:
            await self._fail(info.id, str(error))

    async def work_once(self) -> None:
        """Poll once for a task, and carry it out."""
        request = task_pb2.PollTaskRequest(worker_id="t", tenant_id=str(TENANT), queue=self._queue)
        answer = await self._tasks.PollTask(request, metadata=bearer(WORKER_KEY))
        if not answer.HasField("task"):
            return
        ident = answer.task.task_execution_id
        try:
            output = await self._code[answer.task.kind](json.loads(answer.task.input))
        except AgentFailedError as error:
            failure = task_pb2.FailTaskRequest(task_execution_id=ident, error=str(error))
            await self._tasks.FailTask(failure, metadata=bearer(WORKER_KEY))
            return
        done = task_pb2.CompleteTaskRequest(task_execution_id=ident, output=json.dumps(output).encode())
        await self._tasks.CompleteTask(done, metadata=bearer(WORKER_KEY))

    async def _fail(self, agent: str, error: str) -> None:
        try:
            await self.calls.fail(agent, error)
        except grpc.aio.AioRpcError:
            return  # the SDK only logs it


async def _forever(once: Callable[[], Awaitable[None]]) -> None:
    while True:
        await once()
