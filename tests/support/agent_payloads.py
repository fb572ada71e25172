"""Payloads of agents: sent by every call that takes one, and looked for wherever they are shown."""

from __future__ import annotations

import json
from typing import Any, Protocol

from proto.flovyn.v1 import agent_pb2
from tests.support.agents import Agents
from tests.support.running import TENANT, Client


class PayloadCheck(Protocol):
    """Sends one payload, and looks for it."""

    client: Client
    text: str
    data: bytes
    queue: str

    async def send(self, method: str, path: str, body: str) -> Any:
        """Make a REST request; return the value of the answer."""

    async def shows(self, path: str, member: str, times: int = 1) -> None:
        """Check that an answer embeds the payload as it was sent, under a name."""


async def create_agent(check: PayloadCheck) -> None:
    """Start an agent over REST."""
    metadata = f'{{"m": {json.dumps(check.queue)}}}'
    body = f'{{"kind": "k", "queue": "{check.queue}", "input" : {check.text} , "metadata": {metadata}}}'
    agent = (await check.send("POST", "/agent-executions", body))["id"]
    await check.shows(f"/agent-executions/{agent}", "input")
    await check.shows(f"/agent-executions/{agent}", "metadata", 0)
    assert (await Agents(check.client).claim(check.queue)).input == check.data


async def signal_agent(check: PayloadCheck) -> None:
    """Signal an agent over REST, with both spellings of the member."""
    agent = await Agents(check.client).create(queue=check.queue)
    for name in ("signal_value", "signalValue"):
        await check.send("POST", f"/agent-executions/{agent}/signal", f'{{"signal_name": "s", "{name}": {check.text}}}')
    await check.shows(f"/agent-executions/{agent}/signals", "signalValue", 2)


async def record_agent(check: PayloadCheck) -> None:
    """Send what an agent's activation carries; its output comes last."""
    agents, data, org = Agents(check.client), check.data, str(TENANT)
    parent = await agents.create(queue=check.queue)
    await agents.claim(check.queue)
    at = f"/agent-executions/{parent}"
    await agents.call(
        "AppendEntry", agent_pb2.AppendEntryRequest(agent_execution_id=parent, entry_type="MESSAGE", content=data)
    )
    assert [each.content for each in await agents.entries(parent)] == [data]
    await check.shows(f"{at}/entries", "content")
    await agents.call("SubmitCheckpoint", agent_pb2.SubmitCheckpointRequest(agent_execution_id=parent, state=data))
    latest = await agents.latest(parent)
    assert latest is not None
    assert latest.state == data
    await check.shows(f"{at}/checkpoints/latest", "state")
    header = agent_pb2.ScheduleAgentTaskHeader(agent_execution_id=parent, task_kind="t")
    half = len(data) // 2
    pieces = [agent_pb2.ScheduleAgentTaskChunk(input_chunk=each) for each in (data[:half], data[half:])]
    await agents.schedule_chunks([agent_pb2.ScheduleAgentTaskChunk(header=header), *pieces])
    assert (await agents.task(check.queue)).input == data
    await check.shows(f"{at}/tasks", "input")
    spawned = await agents.call(
        "SpawnChildAgent",
        agent_pb2.SpawnChildAgentRequest(org_id=org, parent_execution_id=parent, agent_kind="c", input=data),
    )
    child = spawned.child_execution_id
    assert (await agents.claim(check.queue)).input == data
    about: Any = {"org_id": org, "child_execution_id": child, "signal_name": "s", "payload": data}
    await agents.call("SendParentSignal", agent_pb2.SendParentSignalRequest(**about))
    await agents.call("SendChildSignal", agent_pb2.SendChildSignalRequest(parent_execution_id=parent, **about))
    signal = agent_pb2.SignalAgentRequest(agent_execution_id=parent, signal_name="s", signal_value=data)
    await agents.call("SignalAgent", signal)
    for agent, count in ((parent, 2), (child, 1)):
        consume = agent_pb2.ConsumeSignalsRequest(agent_execution_id=agent)
        signals = (await agents.call("ConsumeSignals", consume)).signals
        assert [each.signal_value for each in signals] == [data] * count
    await agents.call("CompleteAgent", agent_pb2.CompleteAgentRequest(agent_execution_id=child, output=data))
    events = agent_pb2.PollChildEventsRequest(org_id=org, parent_execution_id=parent, child_execution_ids=[child])
    assert [each.output for each in (await agents.call("PollChildEvents", events)).events] == [data]
    await check.shows(f"/agent-executions/{child}", "output")


AGENT_FIELDS = (
    "AppendEntryRequest.content",
    "SubmitCheckpointRequest.state",
    "ScheduleAgentTaskChunk.input_chunk",
    "CompleteAgentRequest.output",
    "SignalAgentRequest.signal_value",
    "SpawnChildAgentRequest.input",
    "SendParentSignalRequest.payload",
    "SendChildSignalRequest.payload",
)
