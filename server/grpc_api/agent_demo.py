"""The demo of ``flovyn-server dev --demo agent``: a client and a worker that carry out one durable agent.

They use only the wire protocol, as SDKs do. The agent searches at two places at the same time, waits for a signal that
tells the style of its answer, and lets a child agent write the answer. It starts at its top in each activation: what is
in its conversation or in its checkpoint is not done again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import NAMESPACE_OID, uuid4, uuid5

import grpc.aio

from core.errors import Unavailable
from proto.flovyn.v1 import agent_pb2 as pb
from proto.flovyn.v1 import agent_pb2_grpc, task_pb2, task_pb2_grpc
from server.grpc_api.demo import PAUSE_S, TIMEOUT_S, Rest

RESEARCHER, WRITER = "researcher", "writer"
QUEUE = "demo-agents"
SEARCHES = ("search-web", "search-library")
SIGNAL = "style"


class _SuspendedError(Exception):
    """The agent waits; its code starts at its top when the condition is met."""


class _Activation:
    """One run of an agent's code, and the calls that it may make."""

    def __init__(self, call: Callable[[str, Any], Awaitable[Any]], info: pb.AgentExecutionInfo) -> None:
        self._call = call
        self._id = info.id
        self._org_id = info.org_id
        self.input = json.loads(info.input)
        self.entries: list[pb.AgentEntry] = []
        self.state: dict[str, Any] = {}

    async def say(self, role: str, content: object) -> None:
        """Append an entry, unless the conversation has it; a key makes a repeated call harmless."""
        data = json.dumps(content).encode()
        if any((entry.role, entry.content) == (role, data) for entry in self.entries):
            return
        entry = pb.AppendEntryRequest(
            agent_execution_id=self._id,
            parent_id=self.entries[-1].id if self.entries else None,
            entry_type="MESSAGE",
            role=role,
            content=data,
            idempotency_key=str(uuid4()),
        )
        answer = await self._call("AppendEntry", entry)
        self.entries.append(pb.AgentEntry(id=answer.entry_id, role=role, content=data))

    async def tasks(self, *kinds: str) -> list[Any]:
        """Run tasks at the same time; return their outputs once all have ended."""
        ids = []
        for kind in kinds:
            key = f"task:{uuid5(NAMESPACE_OID, self._id + kind).hex}"
            header = pb.ScheduleAgentTaskHeader(agent_execution_id=self._id, task_kind=kind, idempotency_key=key)
            await self._call("ScheduleAgentTask", _chunks(header, json.dumps(self.input).encode()))
            ids.append(str(uuid5(NAMESPACE_OID, key)))
        request = pb.GetAgentTaskResultsRequest(agent_execution_id=self._id, task_execution_ids=ids)
        results = (await self._call("GetAgentTaskResults", request)).results
        if any(result.status != "COMPLETED" for result in results):
            await self._suspend(wait_for_tasks=pb.WaitForTasks(task_ids=ids, mode=pb.WAIT_MODE_ALL))
        return [json.loads(result.output) for result in results]

    async def signal(self, name: str) -> Any:
        """Return the value of a signal, once it has come."""
        if name not in self.state:
            request = pb.ConsumeSignalsRequest(agent_execution_id=self._id, signal_name=name)
            signals = (await self._call("ConsumeSignals", request)).signals
            if not signals:
                await self._suspend(wait_for_signal=name)
            self.state[name] = json.loads(signals[0].signal_value)
            await self._checkpoint()
        return self.state[name]

    async def child(self, kind: str, data: object) -> Any:
        """Run a child agent; return its output once it has ended."""
        if kind not in self.state:
            request = pb.SpawnChildAgentRequest(
                org_id=self._org_id,
                parent_execution_id=self._id,
                agent_kind=kind,
                input=json.dumps(data).encode(),
                mode="REMOTE",
            )
            self.state[kind] = (await self._call("SpawnChildAgent", request)).child_execution_id
            await self._checkpoint()
        children = [self.state[kind]]
        poll = pb.PollChildEventsRequest(
            org_id=self._org_id, parent_execution_id=self._id, child_execution_ids=children
        )
        events = (await self._call("PollChildEvents", poll)).events
        if not events:
            await self._suspend(wait_for_all_children=pb.WaitForAllChildren(child_execution_ids=children))
        return json.loads(events[0].output)

    async def _checkpoint(self) -> None:
        leaf = self.entries[-1].id if self.entries else None
        state = json.dumps(self.state).encode()
        request = pb.SubmitCheckpointRequest(agent_execution_id=self._id, leaf_entry_id=leaf, state=state)
        await self._call("SubmitCheckpoint", request)

    async def _suspend(self, **condition: Any) -> None:
        await self._checkpoint()
        await self._call("SuspendAgent", pb.SuspendAgentRequest(agent_execution_id=self._id, **condition))
        raise _SuspendedError


async def _chunks(header: pb.ScheduleAgentTaskHeader, data: bytes) -> AsyncIterator[pb.ScheduleAgentTaskChunk]:
    yield pb.ScheduleAgentTaskChunk(header=header)
    yield pb.ScheduleAgentTaskChunk(input_chunk=data)


async def researcher(agent: _Activation) -> Any:
    """Answer a question."""
    await agent.say("user", agent.input)
    for kind, found in zip(SEARCHES, await agent.tasks(*SEARCHES), strict=True):
        await agent.say("tool_result", f"{kind}: {found}")
    style = await agent.signal(SIGNAL)
    await agent.say("user", f"write it in a {style} style")
    text = await agent.child(WRITER, {"style": style, "question": agent.input})
    await agent.say("assistant", text)
    return text


async def writer(agent: _Activation) -> Any:
    """Write an answer."""
    await agent.say("user", agent.input["question"])
    text = f"a {agent.input['style']} answer to: {agent.input['question']}"
    await agent.say("assistant", text)
    return text


_AGENTS: dict[str, Callable[[_Activation], Awaitable[Any]]] = {RESEARCHER: researcher, WRITER: writer}


class AgentDemoWorker:
    """A worker for both agents and their tasks."""

    def __init__(self, channel: grpc.aio.Channel, token: str, tenant_id: str) -> None:
        self._agents = agent_pb2_grpc.AgentDispatchStub(channel)
        self._tasks = task_pb2_grpc.TaskExecutionStub(channel)
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._tenant_id = tenant_id

    async def serve(self) -> None:
        """Poll for agents and tasks until cancelled."""
        await asyncio.gather(self._serve_agents(), self._serve_tasks(), self._serve_tasks())

    async def _call(self, name: str, request: Any) -> Any:
        return await getattr(self._agents, name)(request, metadata=self._metadata)

    async def _serve_agents(self) -> None:
        poll = pb.PollAgentRequest(
            worker_id="demo", org_id=self._tenant_id, queue=QUEUE, agent_capabilities=list(_AGENTS)
        )
        while True:
            answer = await self._call("PollAgent", poll)
            if answer.HasField("agent_execution"):
                await self._activate(answer.agent_execution)

    async def _activate(self, info: pb.AgentExecutionInfo) -> None:
        agent = _Activation(self._call, info)
        if info.current_checkpoint_seq >= 0:
            request = pb.GetCheckpointRequest(agent_execution_id=info.id)
            agent.state = json.loads((await self._call("GetLatestCheckpoint", request)).checkpoint.state)
        entries = self._agents.GetEntries(pb.GetEntriesRequest(agent_execution_id=info.id), metadata=self._metadata)
        agent.entries = [chunk.entry async for chunk in entries]
        try:
            output = json.dumps(await _AGENTS[info.kind](agent)).encode()
        except _SuspendedError:
            return
        await self._call("CompleteAgent", pb.CompleteAgentRequest(agent_execution_id=info.id, output=output))

    async def _serve_tasks(self) -> None:
        poll = task_pb2.PollTaskRequest(worker_id="demo", tenant_id=self._tenant_id, queue=QUEUE)
        while True:
            answer = await self._tasks.PollTask(poll, metadata=self._metadata)
            if answer.HasField("task"):
                done = task_pb2.CompleteTaskRequest(
                    task_execution_id=answer.task.task_execution_id, output=b'"two results"'
                )
                await self._tasks.CompleteTask(done, metadata=self._metadata)


async def run_agent_demo(grpc_address: str, tenant_url: str, token: str, say: Callable[[str], Any]) -> None:
    """Start an agent, serve it with a worker until it ends, and print its conversation.

    Raises:
        Unavailable: the agent did not complete within ``TIMEOUT_S``, or the server refused a call.
    """
    rest = Rest(tenant_url, token)
    tenant_id = (await rest.call(""))["id"]
    async with grpc.aio.insecure_channel(grpc_address) as channel:
        serving = asyncio.create_task(AgentDemoWorker(channel, token, tenant_id).serve())
        try:
            async with asyncio.timeout(TIMEOUT_S):
                agent = await _conversation(rest, serving)
        except TimeoutError:
            raise Unavailable(f"the demo's agent did not complete within {TIMEOUT_S:g} s") from None
        except grpc.aio.AioRpcError as error:
            raise Unavailable(f"the server refused a call of the demo: {error.details()}") from None
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
    await _print_conversation(rest, agent, say)


async def _conversation(rest: Rest, serving: asyncio.Task[None]) -> str:
    """Start an agent, send it its signal when it waits for it, and return its id when it has completed."""
    body = {"kind": RESEARCHER, "input": "why is the sky blue?", "queue": QUEUE}
    agent: str = (await rest.call("/agent-executions", body))["id"]
    has_signal = False
    while not serving.done():
        found = await rest.call(f"/agent-executions/{agent}")
        if found["status"] == "COMPLETED":
            return agent
        if not has_signal and (found["waitingFor"] or {}).get("signalName") == SIGNAL:
            has_signal = True
            await rest.call(f"/agent-executions/{agent}/signal", {"signalName": SIGNAL, "signalValue": "short"})
        await asyncio.sleep(PAUSE_S)
    await serving
    raise Unavailable("the worker of the demo ended before its agent")


async def _print_conversation(rest: Rest, agent: str, say: Callable[[str], Any]) -> None:
    path = f"/agent-executions/{agent}"
    say(f"agent {agent}\n")
    for entry in (await rest.call(f"{path}/entries"))["entries"]:
        say(f"  {entry['createdAt'][11:23]}  {entry['role'] or '':<12} {json.dumps(entry['content'])}\n")
    for task in (await rest.call(f"{path}/tasks"))["tasks"]:
        say(f"task {task['kind']:<16} {task['status']}\n")
    for signal in (await rest.call(f"{path}/signals"))["signals"]:
        say(f"signal {signal['signalName']:<14} {json.dumps(signal['signalValue'])}\n")
    for child in (await rest.call(f"{path}/children"))["children"]:
        say(f"child {child['kind']:<15} {child['status']}: {json.dumps(child['output'])}\n")
    found = await rest.call(path)
    say(f"completed after {found['currentCheckpointSeq']} checkpoints: {json.dumps(found['output'])}\n")
