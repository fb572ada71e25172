"""The load of the benchmark of agents: agents and workflows that do the same, with two tasks at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import NAMESPACE_OID, uuid4, uuid5

from proto.flovyn.v1 import agent_pb2 as pb
from proto.flovyn.v1 import agent_pb2_grpc, workflow_pb2
from tests.benchmarks.engine_load import KEY, SUSPENDED, TENANT, Connection, Server

TASKS = ("a", "b")


class RestConnection:
    """One HTTP connection that is kept open."""

    def __init__(self, server: Server) -> None:
        self._port = server.http_port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: object) -> Any:
        """Send a JSON body; return the JSON answer."""
        if self._streams is None or self._streams[0].at_eof():  # the server closes idle connections
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        data = json.dumps(body).encode()
        writer.write(
            f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(data)}\r\n\r\n".encode()
            + data
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert head.startswith(("http/1.1 200", "http/1.1 201")), head
        size = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        return json.loads(await reader.readexactly(size))

    async def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()


class AgentConnection(Connection):
    """The calls of clients and workers, of agents as well."""

    def __init__(self, server: Server, queue: str) -> None:
        super().__init__(server, queue)
        self.http = RestConnection(server)
        self.rpc: Any = agent_pb2_grpc.AgentDispatchStub(self.channel)

    async def start_over_rest(self) -> None:
        """Start a workflow as agents are started."""
        body = {"kind": "k", "input": {"n": 1}, "queue": self._queue}
        await self.http.post("/api/tenants/bench/workflow-executions", body)

    async def create(self) -> str:
        """Create an agent."""
        body = {"kind": "k", "input": {"n": 1}, "queue": self._queue}
        return str((await self.http.post("/api/tenants/bench/agent-executions", body))["id"])

    async def schedule_both(self, workflow_id: str) -> None:
        """Schedule two tasks and suspend."""
        tasks = [
            workflow_pb2.WorkflowCommand(
                sequence_number=number,
                schedule_task=workflow_pb2.ScheduleTaskCommand(kind="t", input=b"1", task_execution_id=str(uuid4())),
            )
            for number in (1, 2)
        ]
        await self.suspend(workflow_id, tasks)

    async def suspend(self, workflow_id: str, commands: list[workflow_pb2.WorkflowCommand]) -> None:
        """Suspend a workflow with some commands."""
        request = workflow_pb2.SubmitWorkflowCommandsRequest(
            workflow_execution_id=workflow_id, commands=commands, status=SUSPENDED
        )
        await self._dispatch.SubmitWorkflowCommands(request, metadata=self._metadata)

    async def call(self, name: str, request: Any) -> Any:
        """Make a call about an agent."""
        return await getattr(self.rpc, name)(request, metadata=self._metadata)

    async def poll_agent(self) -> pb.AgentExecutionInfo | None:
        """Poll for an agent; None when there was none."""
        request = pb.PollAgentRequest(
            worker_id="w", org_id=str(TENANT), queue=self._queue, agent_capabilities=["k"], timeout_seconds=60
        )
        answer = await self.call("PollAgent", request)
        return answer.agent_execution if answer.HasField("agent_execution") else None

    async def entries(self, agent: str) -> int:
        """Read the conversation of an agent; return the number of its entries."""
        request = pb.GetEntriesRequest(agent_execution_id=agent)
        return len([chunk async for chunk in self.rpc.GetEntries(request, metadata=self._metadata)])

    async def activation(self, info: pb.AgentExecutionInfo, *, talks: bool) -> bool:
        """Run an activation as the SDK does; tell whether the agent has ended.

        With ``talks``, the agent appends an entry and submits a checkpoint before and after its tasks.
        """
        agent = info.id
        if info.current_checkpoint_seq >= 0:
            await self.call("GetLatestCheckpoint", pb.GetCheckpointRequest(agent_execution_id=agent))
        await self.entries(agent)
        if talks:
            await self._say(agent)
        for key in TASKS:
            await self._schedule(agent, key)
        ids = [str(uuid5(NAMESPACE_OID, f"task:{agent}{key}")) for key in TASKS]
        request = pb.GetAgentTaskResultsRequest(agent_execution_id=agent, task_execution_ids=ids)
        results = (await self.call("GetAgentTaskResults", request)).results
        is_done = all(each.status == "COMPLETED" for each in results)
        if not is_done or talks:
            await self.call("SubmitCheckpoint", pb.SubmitCheckpointRequest(agent_execution_id=agent, state=b"null"))
        if is_done:
            await self.call("CompleteAgent", pb.CompleteAgentRequest(agent_execution_id=agent, output=b"1"))
            return True
        wait = pb.WaitForTasks(task_ids=ids, mode=pb.WAIT_MODE_ALL)
        await self.call("SuspendAgent", pb.SuspendAgentRequest(agent_execution_id=agent, wait_for_tasks=wait))
        return False

    async def _say(self, agent: str) -> None:
        entry = pb.AppendEntryRequest(
            agent_execution_id=agent,
            entry_type="MESSAGE",
            role="user",
            content=b'"hello"',
            idempotency_key=str(uuid4()),
        )
        await self.call("AppendEntry", entry)
        await self.call("SubmitCheckpoint", pb.SubmitCheckpointRequest(agent_execution_id=agent, state=b"null"))

    async def _schedule(self, agent: str, key: str) -> None:
        header = pb.ScheduleAgentTaskHeader(
            agent_execution_id=agent, task_kind="t", idempotency_key=f"task:{agent}{key}"
        )

        async def chunks() -> AsyncIterator[pb.ScheduleAgentTaskChunk]:
            yield pb.ScheduleAgentTaskChunk(header=header)
            yield pb.ScheduleAgentTaskChunk(input_chunk=b"1")

        await self.call("ScheduleAgentTask", chunks())

    async def close(self) -> None:
        """Close both connections."""
        await self.http.close()
        await self.channel.close()
