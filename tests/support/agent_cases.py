"""The calls about agents that change something, for the table of calls that are sent again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import uuid4

from proto.flovyn.v1 import agent_pb2 as pb
from tests.support.agents import Agents, task_id
from tests.support.driving import until
from tests.support.running import TENANT, WORKER_KEY
from tests.support.sent_again import Case, Sent, World

DISPATCH = "/flovyn.v1.AgentDispatch"
ROUTE, OWN = "/api/v1/tenants/{slug}/agent-executions", "/api/v1/tenants/test/agent-executions"

Make = Callable[[str], Any]
"""Returns the message of a call, or the messages of a stream, about an agent."""


async def _running(world: World, **more: Any) -> tuple[Agents, str]:
    """Return the calls, and an agent that a worker holds."""
    agents, queue = Agents(world.client), world.name()
    agent = await agents.create(queue=queue, **more)
    await agents.claim(queue)
    return agents, agent


async def _of_running(world: World, make: Make) -> Sent:
    agents, agent = await _running(world)
    return Sent(make(agent), partial(agents.complete, agent))


async def _consume(world: World) -> Sent:
    agents, agent = await _running(world)
    for value in (1, 2):
        await agents.signal(agent, "s", value)
    return Sent(pb.ConsumeSignalsRequest(agent_execution_id=agent, signal_name="s"), partial(agents.complete, agent))


async def _resume(world: World) -> Sent:
    agents, agent = await _running(world)
    await agents.suspend(agent, wait_for_signal="s")
    return Sent(pb.ResumeAgentRequest(agent_execution_id=agent, worker_id="w"), partial(agents.complete, agent))


async def _cancel_task(world: World) -> Sent:
    agents, agent = await _running(world)
    key = str(uuid4())
    await agents.schedule(agent, key)
    request = pb.CancelAgentTaskRequest(agent_execution_id=agent, task_execution_id=task_id(key))
    return Sent(request, partial(agents.complete, agent))


async def _family(world: World) -> tuple[Agents, str, str]:
    agents, parent = await _running(world)
    child = await agents.spawn(parent)
    return agents, parent, child


async def _signal_parent(world: World) -> Sent:
    agents, parent, child = await _family(world)
    request = pb.SendParentSignalRequest(org_id=str(TENANT), child_execution_id=child, signal_name="s", payload=b"1")
    return Sent(request, partial(agents.complete, parent))


async def _signal_child(world: World) -> Sent:
    agents, parent, child = await _family(world)
    request = pb.SendChildSignalRequest(
        org_id=str(TENANT), parent_execution_id=parent, child_execution_id=child, signal_name="s", payload=b"1"
    )
    return Sent(request, partial(agents.complete, child))


async def _child_events(world: World) -> Sent:
    agents, parent, child = await _family(world)
    await agents.signal_parent(child, "s", 1)
    request = pb.PollChildEventsRequest(org_id=str(TENANT), parent_execution_id=parent, child_execution_ids=[child])
    return Sent(request, partial(agents.complete, parent))


async def _rest_create(world: World) -> Sent:
    queue = world.name()
    later = partial(Agents(world.client).claim, queue)
    return Sent({"kind": "k", "queue": queue, "input": {"n": 1.5}, "metadata": {"a": "b"}}, later, OWN)


async def _rest(world: World, verb: str, body: object) -> Sent:
    agents, agent = await _running(world)

    async def ended() -> None:
        """Let the worker of a cancelled agent report, and the children be cancelled, of which there are none."""
        await agents.fail(agent)
        await until(lambda: agents.row(agent, "cascades"), lambda row: row == (False,))

    later = partial(agents.complete, agent) if verb == "/signal" else ended
    return Sent(body, later, f"{OWN}/{agent}{verb}")


def _schedule(agent: str) -> list[Any]:
    header = pb.ScheduleAgentTaskHeader(agent_execution_id=agent, task_kind="t", idempotency_key=str(uuid4()))
    return [pb.ScheduleAgentTaskChunk(header=header), pb.ScheduleAgentTaskChunk(input_chunk=b"[1]")]


def _spawn(agent: str) -> Any:
    return pb.SpawnChildAgentRequest(org_id=str(TENANT), parent_execution_id=agent, agent_kind="k", mode="REMOTE")


def _running_case(method: str, make: Make, moves_on: str = "") -> Case:
    return Case(f"{DISPATCH}/{method}", partial(_of_running, make=make), moves_on, WORKER_KEY)


def _case(method: str, prepare: Callable[[World], Awaitable[Sent]]) -> Case:
    return Case(f"{DISPATCH}/{method}", prepare, caller=WORKER_KEY)


_ENDED = "the cancellation has ended the agent in the meantime"

AGENT_CASES = [
    _running_case(
        "AppendEntry", lambda agent: pb.AppendEntryRequest(agent_execution_id=agent, entry_type="MESSAGE", content=b"1")
    ),
    _running_case("SubmitCheckpoint", lambda agent: pb.SubmitCheckpointRequest(agent_execution_id=agent, state=b"1")),
    _running_case("CompleteAgent", lambda agent: pb.CompleteAgentRequest(agent_execution_id=agent, output=b"1")),
    _running_case("FailAgent", lambda agent: pb.FailAgentRequest(agent_execution_id=agent, error="boom")),
    _running_case("SuspendAgent", lambda agent: pb.SuspendAgentRequest(agent_execution_id=agent, wait_for_signal="s")),
    _running_case("SignalAgent", lambda agent: pb.SignalAgentRequest(agent_execution_id=agent, signal_name="s")),
    _running_case("ScheduleAgentTask", _schedule),
    _running_case(
        "StreamAgentData",
        lambda agent: [
            pb.StreamAgentDataRequest(agent_execution_id=agent, event_type=pb.AGENT_TOKEN, payload='{"text": "a"}')
        ],
    ),
    _running_case("SpawnChildAgent", _spawn),
    _case("ConsumeSignals", _consume),
    _case("ResumeAgent", _resume),
    _case("CancelAgentTask", _cancel_task),
    _case("SendParentSignal", _signal_parent),
    _case("SendChildSignal", _signal_child),
    _case("PollChildEvents", _child_events),
    Case(f"POST {ROUTE}", _rest_create),
    Case(f"POST {ROUTE}/{{id}}/signal", partial(_rest, verb="/signal", body={"signalName": "s", "signalValue": 1})),
    Case(f"POST {ROUTE}/{{id}}/cancel", partial(_rest, verb="/cancel", body={"reason": "enough"}), _ENDED),
    Case(f"DELETE {ROUTE}/{{id}}", partial(_rest, verb="", body={"reason": "enough"}), _ENDED),
]
