"""Calls about agents with input that is too large, malformed, foreign or reused: each has its code, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio

from core.limits import MAX_PAYLOAD_BYTES, MAX_REPEATED
from proto.flovyn.v1 import agent_pb2 as pb
from tests.support.agents import Agents, task_id
from tests.support.driving import refusal
from tests.support.running import OTHER_KEY, OTHER_TENANT, TENANT, another_connection, running_server

NOT_FOUND, INVALID, EXHAUSTED = (
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)
DENIED, REFUSED, EXISTS = (
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ALREADY_EXISTS,
)
STREAMS = {"ScheduleAgentTask"}


@pytest_asyncio.fixture
async def agents(database: str) -> AsyncIterator[Agents]:
    async with running_server(database) as client:
        yield Agents(client)


def _requests(agent: str, task: str, child: str, org: str = str(TENANT)) -> dict[str, Any]:
    """Return a good request of each method but polls and streams of chunks, which take anything."""
    parent: dict[str, Any] = {"org_id": org, "parent_execution_id": agent}
    one: dict[str, Any] = {"agent_execution_id": agent}
    return {
        "GetEntries": pb.GetEntriesRequest(**one),
        "AppendEntry": pb.AppendEntryRequest(**one, entry_type="MESSAGE", content=b"1", idempotency_key=str(uuid4())),
        "GetLatestCheckpoint": pb.GetCheckpointRequest(**one),
        "SubmitCheckpoint": pb.SubmitCheckpointRequest(**one, state=b"1"),
        "ScheduleAgentTask": pb.ScheduleAgentTaskChunk(header=pb.ScheduleAgentTaskHeader(**one, task_kind="t")),
        "SignalAgent": pb.SignalAgentRequest(**one, signal_name="s", signal_value=b"1"),
        "ConsumeSignals": pb.ConsumeSignalsRequest(**one),
        "HasSignal": pb.HasSignalRequest(**one, signal_name="s"),
        "GetAgentTaskResult": pb.GetAgentTaskResultRequest(**one, task_execution_id=task),
        "GetAgentTaskResults": pb.GetAgentTaskResultsRequest(**one, task_execution_ids=[task]),
        "GetAgentTaskCount": pb.GetAgentTaskCountRequest(**one),
        "CancelAgentTask": pb.CancelAgentTaskRequest(**one, task_execution_id=task),
        "SpawnChildAgent": pb.SpawnChildAgentRequest(**parent, agent_kind="child", mode="REMOTE"),
        "SendParentSignal": pb.SendParentSignalRequest(org_id=org, child_execution_id=child, signal_name="s"),
        "SendChildSignal": pb.SendChildSignalRequest(**parent, child_execution_id=child, signal_name="s"),
        "PollChildEvents": pb.PollChildEventsRequest(**parent, child_execution_ids=[child]),
        "ResumeAgent": pb.ResumeAgentRequest(**one, worker_id="w"),
        "SuspendAgent": pb.SuspendAgentRequest(**one, wait_for_task=task),
        "FailAgent": pb.FailAgentRequest(**one, error="boom"),
        "CompleteAgent": pb.CompleteAgentRequest(**one, output=b"1"),
    }


async def _send(agents: Agents, name: str, request: Any) -> None:
    if name in STREAMS:
        await agents.schedule_chunks([request])
    elif name == "GetEntries":
        await agents.entries(request.agent_execution_id)
    else:
        await agents.call(name, request)


async def _family(agents: Agents) -> tuple[str, str, str]:
    """Return a running agent, one of its tasks, and one of its children."""
    agent = await agents.create()
    await agents.claim()
    key = str(uuid4())
    await agents.schedule(agent, key)
    return agent, task_id(key), await agents.spawn(agent, queue="other")


def _damaged(request: Any) -> list[Any]:
    """Return the request with a text that is no UUID in the place of each id."""
    found = []
    message = request.header if isinstance(request, pb.ScheduleAgentTaskChunk) else request
    for field, value in message.ListFields():
        if not field.name.endswith(("execution_id", "execution_ids", "org_id", "wait_for_task")):
            continue
        other = type(request).FromString(request.SerializeToString())
        inner = other.header if isinstance(other, pb.ScheduleAgentTaskChunk) else other
        if isinstance(value, str):
            setattr(inner, field.name, "no-uuid")
        else:
            getattr(inner, field.name)[:] = ["no-uuid"]
        found.append(other)
    return found


async def test_ids_that_are_no_uuids_are_refused(agents: Agents) -> None:
    """Each id of each call; the agent goes on."""
    family = await _family(agents)
    number = 0
    for name, request in _requests(*family).items():
        for damaged in _damaged(request):
            assert (await refusal(_send(agents, name, damaged)))[0] is INVALID, name
            number += 1
    assert number > len(_requests(*family))
    assert await agents.status(family[0]) == "RUNNING"


async def test_ids_of_another_tenant_are_unknown(agents: Agents) -> None:
    """Each call about an agent of the first tenant, by a worker of the second; and its tasks and children."""
    family = await _family(agents)
    async with another_connection(agents.client) as connection:
        other = Agents(agents.client, connection, OTHER_KEY)
        for name, request in _requests(*family, org=str(OTHER_TENANT)).items():
            assert (await refusal(_send(other, name, request)))[0] is NOT_FOUND, name
        for name, request in _requests(*family).items():
            if any(field.name == "org_id" for field, _ in request.ListFields()):
                assert (await refusal(_send(other, name, request)))[0] is DENIED, name
    assert await agents.status(family[0]) == "RUNNING"
    assert len((await agents.rest("GET", f"/{family[0]}/children")).json["children"]) == 1


async def test_tasks_and_children_of_other_agents_are_refused(agents: Agents) -> None:
    """Unknown ones are not found; those of another agent of the tenant are forbidden."""
    _, task, child = await _family(agents)
    agent = await agents.create(queue="third")
    await agents.claim("third")
    for ids, code in (((task, child), DENIED), ((str(uuid4()), str(uuid4())), NOT_FOUND)):
        requests = _requests(agent, *ids)
        for name in ("GetAgentTaskResult", "GetAgentTaskResults", "CancelAgentTask", "SuspendAgent"):
            assert (await refusal(_send(agents, name, requests[name])))[0] is code, name
        for name in ("SendChildSignal", "PollChildEvents"):
            assert (await refusal(_send(agents, name, requests[name])))[0] is code, name
        for wait in (
            {"wait_for_all_children": pb.WaitForAllChildren(child_execution_ids=[ids[1]])},
            {"wait_for_child_event": pb.WaitForChildEvent(child_execution_ids=[ids[1]])},
        ):
            assert (await refusal(agents.suspend(agent, **wait)))[0] is code
    assert await agents.status(agent) == "RUNNING"


async def test_no_agent_is_its_own_ancestor(agents: Agents) -> None:
    """An agent cannot wait for itself or for its parent, and an entry cannot follow itself."""
    parent = await agents.create()
    await agents.claim()
    child = await agents.spawn(parent)
    await agents.claim()
    for ident in (child, parent):
        wait = pb.WaitForAllChildren(child_execution_ids=[ident])
        assert (await refusal(agents.suspend(child, wait_for_all_children=wait)))[0] is DENIED
        assert (await refusal(agents.signal_child(child, ident, "s")))[0] is DENIED
    assert (await refusal(agents.signal_parent(parent, "s")))[0] is REFUSED
    key = str(uuid4())
    assert (await refusal(agents.append(child, key=key, parent_id=key)))[0] is INVALID


async def test_endless_spawning_is_stopped(database: str) -> None:
    """By the number of open children, and by the depth."""
    async with running_server(database, ENGINE__AGENT_CHILDREN="3", ENGINE__AGENT_DEPTH="2") as client:
        agents = Agents(client)
        agent = await agents.create()
        await agents.claim()
        children = [await agents.spawn(agent) for _ in range(3)]
        assert (await refusal(agents.spawn(agent)))[0] is EXHAUSTED
        await agents.claim()
        await agents.complete(children[0])
        assert await agents.spawn(agent, queue="other")
        grandchild = await agents.spawn(children[1], queue="other")
        assert (await refusal(agents.spawn(grandchild)))[0] is EXHAUSTED


async def test_reused_keys_find_the_first_content(agents: Agents) -> None:
    """Keys of entries and tasks belong to their agent for ever; another agent cannot have them."""
    agent, other = await agents.create(), await agents.create()
    await agents.claim()
    await agents.claim()
    key = str(uuid4())
    assert await agents.append(agent, "first", key) == await agents.append(agent, "second", key) == key
    assert [json.loads(entry.content) for entry in await agents.entries(agent)] == ["first"]
    assert (await refusal(agents.append(other, "third", key)))[0] is EXISTS
    first = await agents.schedule(agent, key, "first", "t")
    again = await agents.schedule(agent, key, "second", "u", max_retries=0)
    assert (first.task_execution_id, first.idempotency_key_new) == (task_id(key), True)
    assert (again.task_execution_id, again.idempotency_key_new) == (task_id(key), False)
    [task] = (await agents.rest("GET", f"/{agent}/tasks")).json["tasks"]
    assert (task["kind"], task["input"]) == ("t", "first")
    assert (await refusal(agents.schedule(other, key)))[0] is EXISTS


async def test_payloads_have_a_largest_size(agents: Agents) -> None:
    """The largest is kept to the byte; one byte more is refused, and nothing of it is stored."""
    agent = await agents.create()
    await agents.claim()
    largest, larger = ("x" * (MAX_PAYLOAD_BYTES - 2 + more) for more in (0, 1))
    await agents.append(agent, largest)
    assert (await refusal(agents.append(agent, larger)))[0] is EXHAUSTED
    assert [json.loads(entry.content) for entry in await agents.entries(agent)] == [largest]
    assert await agents.checkpoint(agent, largest) == 1
    assert (await refusal(agents.checkpoint(agent, larger)))[0] is EXHAUSTED
    latest = await agents.latest(agent)
    assert latest is not None
    assert (latest.sequence, json.loads(latest.state)) == (1, largest)
    await agents.schedule(agent, "k", largest)
    assert (await refusal(agents.schedule(agent, "l", larger)))[0] is EXHAUSTED
    await agents.signal(agent, "s", largest)
    answer = await agents.rest("POST", f"/{agent}/signal", {"signalName": "s", "signalValue": larger})
    assert answer.status_code == 413
    request = pb.SignalAgentRequest(agent_execution_id=agent, signal_name="s", signal_value=json.dumps(larger).encode())
    assert (await refusal(agents.call("SignalAgent", request)))[0] is EXHAUSTED
    assert await agents.consume(agent) == [("s", largest)]
    assert (await refusal(agents.complete(agent, larger)))[0] is EXHAUSTED
    await agents.complete(agent, largest)
    assert (await agents.get(agent))["output"] == largest


async def test_a_wait_takes_a_thousand_tasks(agents: Agents) -> None:
    """The end of the last one wakes the agent; more ids are refused."""
    agent = await agents.create()
    await agents.claim()
    keys = [f"{agent}-{number}" for number in range(MAX_REPEATED)]
    await asyncio.gather(*(agents.schedule(agent, key) for key in keys))
    assert (await refusal(agents.suspend_for_tasks(agent, *keys, "one-more")))[0] is INVALID
    await agents.suspend_for_tasks(agent, *keys)
    assert all(await asyncio.gather(*(agents.cancel_task(agent, key) for key in keys[1:])))
    assert await agents.status(agent) == "WAITING"
    await agents.cancel_task(agent, keys[0])
    assert await agents.status(agent) == "PENDING"
    assert len(await agents.results(agent, *keys)) == MAX_REPEATED


async def test_cut_streams_leave_nothing(database: str) -> None:
    """A stream that is cut, and one that is never ended."""
    async with running_server(database, LIMITS__BODY_TIMEOUT="0.2") as client:
        agents = Agents(client)
        agent = await agents.create()
        await agents.claim()
        header = pb.ScheduleAgentTaskHeader(agent_execution_id=agent, task_kind="t", idempotency_key="k")
        for is_cut in (True, False):
            call = agents.open_stream()
            await call.write(pb.ScheduleAgentTaskChunk(header=header))
            await call.write(pb.ScheduleAgentTaskChunk(input_chunk=b"1"))
            if is_cut:
                call.cancel()
            else:
                assert (await refusal(call))[0] is INVALID
        assert (await agents.rest("GET", f"/{agent}/tasks")).json["tasks"] == []
        await agents.complete(agent)
        assert (await refusal(agents.schedule(agent, "k")))[0] is REFUSED


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("", None),
        ("", []),
        ("", "text"),
        ("", {}),
        ("", {"kind": ""}),
        ("", {"kind": 1}),
        ("", {"kind": "k", "queue": {}}),
        ("", {"kind": "k" * 1000}),
        ("", {"kind": "k", "metadata": []}),
        ("", {"kind": "k", "persistenceMode": "elsewhere"}),
        ("", {"kind": "k", "idempotencyKey": 1}),
        ("", {"kind": "k", "idempotencyKey": "k", "idempotencyKeyTTL": "soon"}),
        ("/{id}/signal", None),
        ("/{id}/signal", {}),
        ("/{id}/signal", {"signalName": ""}),
        ("/{id}/signal", {"signalName": ["s"]}),
        ("/{id}/signal", {"signalName": "s" * 1000}),
        ("/{id}/cancel", {"reason": 1}),
        ("/{id}/cancel", {"cascadeToChildren": "perhaps"}),
        ("/{id}/cancel", []),
    ],
)
async def test_wrong_bodies_are_bad_requests(agents: Agents, path: str, body: Any) -> None:
    """Each wrong shape is a 400, and the agent does not change."""
    agent = await agents.create()
    answer = await agents.rest("POST", path.format(id=agent), body)
    assert answer.status_code == 400, answer.text
    assert isinstance(answer.json, Mapping)
    assert await agents.status(agent) == "PENDING"
