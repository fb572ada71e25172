"""A small worker against the stubs, so that tests of the engine read as workflows.

    async def order(context: Context, data: Any) -> Any:
        stock, price = context.task("stock", data), context.task("price", data)
        return [await stock, await price]

    async with ReplayingWorker(client, {"order": order}, {"stock": ..., "price": ...}).serving() as worker:
        assert await worker.result(await worker.start("order", 7)) == ...

It speaks in the style of any family of workers, and can be told to misbehave as they do: to replay from an
empty history, and to submit everything twice.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from proto.flovyn.v1 import task_pb2, worker_pb2
from proto.flovyn.v1 import workflow_pb2 as pb
from tests.support.replay import Context, DeterminismViolation, Event, Workflow, command_of
from tests.support.running import TENANT, Connection, bearer
from tests.support.styles import FFI, Style

DEADLINE_S = 30.0
"""A workflow that has not ended by then has hung."""

_ENDS = {"WORKFLOW_COMPLETED", "WORKFLOW_EXECUTION_FAILED", "WORKFLOW_CANCELLED"}


class WorkflowFailed(Exception):
    """A workflow that did not complete; the text is its error."""


@dataclass
class Activation:
    """The result of one replay."""

    commands: list[pb.WorkflowCommand]
    status: Any


class TaskContext:
    """The calls that task code may make while it runs."""

    def __init__(self, client: Connection, info: task_pb2.TaskExecutionInfo) -> None:
        self._client = client
        self.id = info.task_execution_id
        self.attempt = info.execution_count

    async def call(self, name: str, **fields: Any) -> Any:
        """Make any call of TaskExecution about this task, such as ``Heartbeat`` or ``SetState``."""
        request = getattr(task_pb2, f"{name}Request")(task_execution_id=self.id, **fields)
        return await getattr(self._client.tasks, name)(request, metadata=bearer())


TaskCode = Callable[[TaskContext, Any], Awaitable[Any]]


class ReplayingWorker:
    """Polls for workflows and tasks of one queue and carries them out."""

    def __init__(
        self,
        client: Connection,
        workflows: Mapping[str, Workflow],
        tasks: Mapping[str, TaskCode] | None = None,
        *,
        queue: str = "",
        style: Style = FFI,
    ) -> None:
        self._client = client
        self._workflows = workflows
        self._tasks = tasks or {}
        self._queue = queue
        self.style = style
        self.worker_id = f"{style.name}-worker"
        self.forgets: Callable[[int], bool] = lambda _activation: False
        """Tells by an activation's number, from 1, whether it replays from an empty history."""
        self.copies = 1
        """How often an activation is submitted and a result reported."""
        self.activations = 0

    async def register(self) -> str:
        """Announce the worker and take the id that the server answers, as FFI and NAPI workers do."""
        request = worker_pb2.WorkerRegistrationRequest(
            worker_name=self.worker_id,
            worker_type="UNIFIED",
            tenant_id=str(TENANT),
            workflows=[worker_pb2.WorkflowCapability(kind=kind, version="1.0.0") for kind in self._workflows],
            tasks=[worker_pb2.TaskCapability(kind=kind) for kind in self._tasks],
        )
        answer = await self._client.lifecycle.RegisterWorker(request, metadata=bearer())
        if self.style.contiguous:
            return str(answer.worker_id)  # this family polls under the name that it registered with
        self.worker_id = answer.worker_id
        return self.worker_id

    @asynccontextmanager
    async def serving(self, pollers: int = 2) -> AsyncIterator[ReplayingWorker]:
        """Poll until the context is left; what goes wrong in the worker itself is raised then."""
        async with asyncio.TaskGroup() as group:
            serving = [group.create_task(self._forever(self.run_once)) for _ in range(pollers)]
            serving += [group.create_task(self._forever(self.work_once)) for _ in range(pollers) if self._tasks]
            yield self
            for task in serving:
                task.cancel()

    async def start(self, kind: str, data: Any = None, **fields: Any) -> str:
        """Start a workflow in the worker's queue."""
        request = pb.StartWorkflowRequest(
            tenant_id=str(TENANT), workflow_kind=kind, input=json.dumps(data).encode(), queue=self._queue, **fields
        )
        return str((await self._client.dispatch.StartWorkflow(request, metadata=bearer())).workflow_execution_id)

    async def history(self, workflow_id: str) -> list[Event]:
        """Return type and data of a workflow's events, whose numbers must be 1..n."""
        request = pb.GetEventsRequest(workflow_execution_id=workflow_id)
        events = (await self._client.dispatch.GetEvents(request, metadata=bearer())).events
        numbers = [event.sequence_number for event in events]
        assert numbers == list(range(1, len(events) + 1)), [(each.sequence_number, each.event_type) for each in events]
        return [(event.event_type, json.loads(event.event_data)) for event in events]

    async def until(self, workflow_id: str, event_type: str, count: int = 1) -> list[Event]:
        """Return the history once it holds an event of that type ``count`` times."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                history = await self.history(workflow_id)  # every look is a call, so others get their turn
                if sum(each == event_type for each, _ in history) >= count:
                    return history

    async def result(self, workflow_id: str) -> Any:
        """Return a workflow's output once it has ended.

        Raises:
            WorkflowFailed: it did not complete.
        """
        async with asyncio.timeout(DEADLINE_S):
            while not (ends := [event for event in await self.history(workflow_id) if event[0] in _ENDS]):
                pass
        event_type, data = ends[0]
        if event_type == "WORKFLOW_COMPLETED":
            return data["output"]
        raise WorkflowFailed(data.get("error") or data.get("reason"))

    async def run_once(self) -> bool:
        """Poll for a workflow, replay it and submit what came of it; tell whether there was one."""
        execution = await self.claim()
        if execution is None:
            return False
        self.activations += 1
        history = [] if self.forgets(self.activations) else await self.history(execution.id)
        request = self.replayed(execution, history)
        for _ in range(self.copies):
            await self.submit(request)
        return True

    async def claim(self) -> pb.WorkflowExecution | None:
        """Poll for a workflow once."""
        poll = pb.PollRequest(worker_id=self.worker_id, tenant_id=str(TENANT), queue=self._queue, timeout_seconds=30)
        answer = await self._client.dispatch.PollWorkflow(poll, metadata=bearer())
        return answer.workflow_execution if answer.HasField("workflow_execution") else None

    def replayed(self, execution: pb.WorkflowExecution, history: Sequence[Event]) -> pb.SubmitWorkflowCommandsRequest:
        """Replay a workflow; return what is to be submitted."""
        activation = self._replay(execution, history)
        return pb.SubmitWorkflowCommandsRequest(
            workflow_execution_id=execution.id, commands=activation.commands, status=activation.status
        )

    async def submit(self, request: pb.SubmitWorkflowCommandsRequest) -> None:
        """Submit an activation."""
        await self._client.dispatch.SubmitWorkflowCommands(request, metadata=bearer())

    async def work_once(self) -> bool:
        """Poll for a task, do it and report on it; tell whether there was one."""
        poll = task_pb2.PollTaskRequest(worker_id=self.worker_id, tenant_id=str(TENANT), queue=self._queue)
        answer = await self._client.tasks.PollTask(poll, metadata=bearer())
        if not answer.HasField("task"):
            return False
        context = TaskContext(self._client, answer.task)
        code = self._tasks.get(answer.task.kind, _unknown_kind)
        try:
            output = await code(context, json.loads(answer.task.input))
        except Exception as error:  # noqa: BLE001 - whatever the task's code raises is a failed attempt
            await context.call("FailTask", error=str(error))  # once: a copy could hit the next attempt
        else:
            for _ in range(self.copies):
                await context.call("CompleteTask", output=json.dumps(output).encode())
        return True

    def _replay(self, execution: pb.WorkflowExecution, history: Sequence[Event]) -> Activation:
        context = Context(execution.id, history, self.style)
        activation = self._outcome(context, execution)
        first = len(history) + 1 if self.style.contiguous else 1
        for number, command in enumerate(activation.commands, first):
            command.sequence_number = number
        return activation

    def _outcome(self, context: Context, execution: pb.WorkflowExecution) -> Activation:
        code = self._workflows.get(execution.kind)
        if code is None:
            return self._failed(context, f"Unknown workflow kind {execution.kind!r}", "ERROR")
        coroutine = code(context, json.loads(execution.input))
        try:
            coroutine.send(None)
        except StopIteration as returned:
            output = json.dumps(returned.value).encode()
            end = command_of("complete_workflow", pb.CompleteWorkflowCommand(output=output))
            return self._ended(context, end, pb.WORKFLOW_STATUS_COMPLETED)
        except DeterminismViolation as violation:
            return self._failed(context, str(violation), "DETERMINISM_VIOLATION")
        except Exception as error:  # noqa: BLE001 - whatever the workflow's code raises fails the workflow
            return self._failed(context, str(error), "ERROR")
        coroutine.close()
        if self.style.says_suspend:
            context.commands.append(command_of("suspend_workflow", pb.SuspendWorkflowCommand(reason="waiting")))
        return Activation(context.commands, pb.WORKFLOW_STATUS_SUSPENDED)

    def _failed(self, context: Context, error: str, failure_type: str) -> Activation:
        end = command_of("fail_workflow", pb.FailWorkflowCommand(error=error, failure_type=failure_type))
        return self._ended(context, end, pb.WORKFLOW_STATUS_FAILED)

    def _ended(self, context: Context, end: pb.WorkflowCommand, status: Any) -> Activation:
        return Activation([end] if self.style.terminal_alone else [*context.commands, end], status)

    async def _forever(self, once: Callable[[], Awaitable[bool]]) -> None:
        while True:
            await once()


async def _unknown_kind(_context: TaskContext, _data: Any) -> Any:
    raise LookupError("Unknown task kind")
