"""The calls of ``flovyn.v1.AgentDispatch`` in a few words, so that tests of agents read as what happens."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

from falcon import testing

from proto.flovyn.v1 import agent_pb2 as pb
from proto.flovyn.v1 import agent_pb2_grpc, task_pb2
from tests.support.driving import until
from tests.support.running import TENANT, WORKER_KEY, Client, Connection, bearer

BASE = "/api/orgs/test/agent-executions"


def task_id(key: str) -> str:
    """Return the id that workers compute for the task of a key."""
    return str(uuid5(NAMESPACE_OID, key))


class Agents:
    """A client, an agent worker and a task worker of one server, over its own connection or another one."""

    def __init__(self, client: Client, connection: Connection | None = None, key: str = WORKER_KEY) -> None:
        self.client = client
        self.rpc: Any = agent_pb2_grpc.AgentDispatchStub((connection or client).channel)
        self._tasks = (connection or client).tasks
        self._metadata = bearer(key)

    async def call(self, name: str, request: Any) -> Any:
        """Make a call by its name."""
        return await getattr(self.rpc, name)(request, metadata=self._metadata)

    async def rest(self, method: str, path: str, body: object = None, **more: Any) -> testing.Result:
        """Make a REST request below the path of agents."""
        return await self.client.rest(method, BASE + path, body, WORKER_KEY, **more)

    async def create(self, kind: str = "k", data: object = None, queue: str = "q", **more: Any) -> str:
        """Create an agent over REST; return its id."""
        answer = await self.rest("POST", "", {"kind": kind, "input": data, "queue": queue, **more})
        assert answer.status_code == 201, answer.text
        assert answer.json["status"] == "PENDING"
        return str(answer.json["id"])

    async def get(self, agent: str) -> dict[str, Any]:
        """Return an agent as REST shows it."""
        answer = await self.rest("GET", f"/{agent}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json
        return found

    async def status(self, agent: str) -> str:
        """Return the status of an agent."""
        return str((await self.get(agent))["status"])

    async def poll(self, *kinds: str, queue: str = "q", worker: str = "w") -> pb.AgentExecutionInfo | None:
        """Poll once for an agent."""
        request = pb.PollAgentRequest(worker_id=worker, org_id=str(TENANT), queue=queue, agent_capabilities=kinds)
        answer = await self.call("PollAgent", request)
        return answer.agent_execution if answer.HasField("agent_execution") else None

    async def claim(self, queue: str = "q") -> pb.AgentExecutionInfo:
        """Wait for an agent, and ask for its entries, as workers do."""
        found = await until(lambda: self.poll(queue=queue), lambda agent: agent is not None)
        assert found is not None
        await self.entries(found.id)
        return found

    async def entries(self, agent: str, **more: Any) -> list[pb.AgentEntry]:
        """Return the entries of an agent."""
        request = pb.GetEntriesRequest(agent_execution_id=agent, **more)
        return [chunk.entry async for chunk in self.rpc.GetEntries(request, metadata=self._metadata)]

    async def append(self, agent: str, content: object = "hello", key: str | None = None, **more: Any) -> str:
        """Append an entry; return its id."""
        request = pb.AppendEntryRequest(
            agent_execution_id=agent,
            entry_type="MESSAGE",
            role="user",
            content=json.dumps(content).encode(),
            idempotency_key=key or str(uuid4()),
            **more,
        )
        return str((await self.call("AppendEntry", request)).entry_id)

    async def checkpoint(self, agent: str, state: object = None, leaf: str | None = None) -> int:
        """Submit a checkpoint; return its number."""
        request = pb.SubmitCheckpointRequest(
            agent_execution_id=agent, leaf_entry_id=leaf, state=json.dumps(state).encode()
        )
        return int((await self.call("SubmitCheckpoint", request)).sequence)

    async def latest(self, agent: str) -> pb.AgentCheckpoint | None:
        """Return the newest checkpoint."""
        answer = await self.call("GetLatestCheckpoint", pb.GetCheckpointRequest(agent_execution_id=agent))
        return answer.checkpoint if answer.HasField("checkpoint") else None

    async def schedule(
        self, agent: str, key: str | None = None, data: object = None, kind: str = "t", **more: Any
    ) -> pb.ScheduleAgentTaskResponse:
        """Schedule a task, its input in pieces."""
        header = pb.ScheduleAgentTaskHeader(agent_execution_id=agent, task_kind=kind, idempotency_key=key, **more)
        text = json.dumps(data).encode()
        pieces = [text[start : start + 65536] for start in range(0, len(text), 65536)]
        return await self.schedule_chunks(
            [
                pb.ScheduleAgentTaskChunk(header=header),
                *(pb.ScheduleAgentTaskChunk(input_chunk=each) for each in pieces),
            ]
        )

    async def schedule_chunks(self, chunks: Sequence[pb.ScheduleAgentTaskChunk]) -> pb.ScheduleAgentTaskResponse:
        """Send a stream as it is."""

        async def sent() -> AsyncIterator[pb.ScheduleAgentTaskChunk]:
            for each in chunks:
                yield each

        answer: pb.ScheduleAgentTaskResponse = await self.call("ScheduleAgentTask", sent())
        return answer

    def open_stream(self) -> Any:
        """Open a stream of ScheduleAgentTask, to be written message by message."""
        return self.rpc.ScheduleAgentTask(metadata=self._metadata)

    async def stream(self, agent: str, chunks: Sequence[tuple[int, str]]) -> None:
        """Stream chunks, each with its type and its payload."""

        async def sent() -> AsyncIterator[pb.StreamAgentDataRequest]:
            for sequence, (kind, payload) in enumerate(chunks):
                yield pb.StreamAgentDataRequest(
                    agent_execution_id=agent,
                    sequence=sequence,
                    event_type=kind,  # type: ignore[arg-type]
                    payload=payload,
                )

        assert (await self.call("StreamAgentData", sent())).acknowledged

    async def results(self, agent: str, *keys: str) -> list[tuple[str, Any]]:
        """Return the status of the tasks of some keys, each with its output or its error."""
        request = pb.GetAgentTaskResultsRequest(
            agent_execution_id=agent, task_execution_ids=[task_id(key) for key in keys]
        )
        answer = await self.call("GetAgentTaskResults", request)
        assert [each.task_execution_id for each in answer.results] == list(request.task_execution_ids)
        return [
            (each.status, json.loads(each.output) if each.HasField("output") else each.error or None)
            for each in answer.results
        ]

    async def cancel_task(self, agent: str, key: str, reason: str = "lost") -> tuple[bool, str]:
        """Cancel the task of a key; return whether this call did, and the status."""
        request = pb.CancelAgentTaskRequest(agent_execution_id=agent, task_execution_id=task_id(key), reason=reason)
        answer = await self.call("CancelAgentTask", request)
        return answer.cancelled, answer.status

    async def suspend(self, agent: str, **condition: Any) -> None:
        """Suspend an agent."""
        await self.call("SuspendAgent", pb.SuspendAgentRequest(agent_execution_id=agent, **condition))

    async def suspend_for_tasks(self, agent: str, *keys: str, mode: Any = pb.WAIT_MODE_ALL) -> None:
        """Suspend an agent until the tasks of some keys have ended."""
        tasks = pb.WaitForTasks(task_ids=[task_id(key) for key in keys], mode=mode)
        await self.suspend(agent, wait_for_tasks=tasks)

    async def complete(self, agent: str, output: object = None) -> None:
        """Complete an agent."""
        request = pb.CompleteAgentRequest(agent_execution_id=agent, output=json.dumps(output).encode())
        await self.call("CompleteAgent", request)

    async def fail(self, agent: str, error: str = "boom", **more: Any) -> None:
        """Fail an agent."""
        await self.call("FailAgent", pb.FailAgentRequest(agent_execution_id=agent, error=error, **more))

    async def signal(self, agent: str, name: str, value: object = None) -> bool:
        """Signal an agent over REST; return whether that released it."""
        answer = await self.rest("POST", f"/{agent}/signal", {"signalName": name, "signalValue": value})
        assert answer.status_code == 200, answer.text
        assert answer.json["signaled"] is True
        return bool(answer.json["agentResumed"])

    async def consume(self, agent: str, **which: Any) -> list[tuple[str, Any]]:
        """Consume signals; return their names and values."""
        answer = await self.call("ConsumeSignals", pb.ConsumeSignalsRequest(agent_execution_id=agent, **which))
        return [(each.signal_name, json.loads(each.signal_value)) for each in answer.signals]

    async def has_signal(self, agent: str, name: str) -> bool:
        """Return whether a signal waits."""
        request = pb.HasSignalRequest(agent_execution_id=agent, signal_name=name)
        return bool((await self.call("HasSignal", request)).has_signal)

    async def spawn(self, parent: str, kind: str = "child", data: object = None, **more: Any) -> str:
        """Spawn a child; return its id."""
        request = pb.SpawnChildAgentRequest(
            org_id=str(TENANT),
            parent_execution_id=parent,
            agent_kind=kind,
            mode=more.pop("mode", "REMOTE"),
            input=json.dumps(data).encode(),
            **more,
        )
        answer = await self.call("SpawnChildAgent", request)
        assert answer.status == "PENDING"
        return str(answer.child_execution_id)

    async def signal_parent(self, child: str, name: str, value: object = None) -> bool:
        """Send a signal from a child to its parent; return whether it was delivered."""
        request = pb.SendParentSignalRequest(
            org_id=str(TENANT), child_execution_id=child, signal_name=name, payload=json.dumps(value).encode()
        )
        return bool((await self.call("SendParentSignal", request)).delivered)

    async def signal_child(self, parent: str, child: str, name: str, value: object = None) -> bool:
        """Send a signal from a parent to a child; return whether it was delivered."""
        request = pb.SendChildSignalRequest(
            org_id=str(TENANT),
            parent_execution_id=parent,
            child_execution_id=child,
            signal_name=name,
            payload=json.dumps(value).encode(),
        )
        return bool((await self.call("SendChildSignal", request)).delivered)

    async def child_events(self, parent: str, *children: str) -> list[tuple[str, str, Any]]:
        """Return the events about children: child, type, and output, error or signal."""
        request = pb.PollChildEventsRequest(
            org_id=str(TENANT), parent_execution_id=parent, child_execution_ids=children
        )
        answer = await self.call("PollChildEvents", request)
        return [(each.child_execution_id, each.event_type, _told(each)) for each in answer.events]

    async def task(self, queue: str = "q") -> task_pb2.TaskExecutionInfo:
        """Wait for a task."""

        async def ask() -> task_pb2.TaskExecutionInfo | None:
            request = task_pb2.PollTaskRequest(worker_id="t", tenant_id=str(TENANT), queue=queue)
            answer = await self._tasks.PollTask(request, metadata=self._metadata)
            return answer.task if answer.HasField("task") else None

        found = await until(ask, lambda task: task is not None)
        assert found is not None
        assert found.workflow_execution_id == ""
        return found

    async def finish_task(self, ident: str, output: object = None) -> None:
        """Complete a task."""
        request = task_pb2.CompleteTaskRequest(task_execution_id=ident, output=json.dumps(output).encode())
        await self._tasks.CompleteTask(request, metadata=self._metadata)

    async def fail_task(self, ident: str, error: str = "boom") -> None:
        """Fail an attempt at a task."""
        request = task_pb2.FailTaskRequest(task_execution_id=ident, error=error)
        await self._tasks.FailTask(request, metadata=self._metadata)

    async def row(self, agent: str, columns: str) -> tuple[Any, ...]:
        """Return columns of an agent."""
        async with self.client.pool.connection() as connection:
            query = f"SELECT {columns} FROM agent_execution WHERE id = %s".encode()
            found: tuple[Any, ...] = await (await connection.execute(query, (UUID(agent),))).fetchone()  # type: ignore[assignment]
        return found


def _told(event: pb.ChildEventInfo) -> Any:
    if event.event_type == "completed":
        return json.loads(event.output)
    if event.event_type == "signal":
        return event.signal_name, json.loads(event.signal_payload)
    return event.error
