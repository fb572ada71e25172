"""Calls that are too large, too many or too deep are refused before anything is looked up, with a short answer."""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio
from falcon import testing
from google.protobuf.message import Message

from core.auth import Protocol
from core.limits import MAX_ERROR_BYTES, MAX_KINDS, MIB
from proto.flovyn.v1 import task_pb2, worker_pb2, workflow_pb2
from server.config.limits import Limits
from tests.support.calls import status_of, submit_task
from tests.support.running import CONFIG, OTHER_KEY, OTHER_TENANT, TENANT, WORKER_KEY, Client, bearer, running_server

BASE = "/api/v1/tenants/test"
ID = str(uuid4())
TENANT_ID = str(TENANT)
NESTED = b"[" + b"[]," * (MIB // 3 - 2) + b"1]"
ODD = "\u00e9\x01\u20ac%"
INVALID, EXHAUSTED = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    async with running_server(database) as client:
        yield client


def _commands(count: int, **command: Any) -> Message:
    commands = [workflow_pb2.WorkflowCommand(**command)] * count
    return workflow_pb2.SubmitWorkflowCommandsRequest(
        workflow_execution_id=ID, commands=commands, status="WORKFLOW_STATUS_RUNNING"
    )


def _registration(**fields: Any) -> Message:
    return worker_pb2.WorkerRegistrationRequest(
        **{"worker_name": "w", "worker_type": "TASK", "tenant_id": TENANT_ID, **fields}
    )


CALLS: Mapping[str, tuple[str, Callable[[], Message], grpc.StatusCode]] = {
    "nested payloads in a submission": (
        "WorkflowDispatch/SubmitWorkflowCommands",
        lambda: _commands(3, record_operation={"operation_name": "n", "result": NESTED}),
        INVALID,
    ),
    "many commands": (
        "WorkflowDispatch/SubmitWorkflowCommands",
        lambda: _commands(Limits().commands + 1, clear_state={"key": "k"}),
        INVALID,
    ),
    "very many commands": ("WorkflowDispatch/SubmitWorkflowCommands", lambda: _commands(700_000), INVALID),
    "kinds": (
        "WorkerLifecycle/RegisterWorker",
        lambda: _registration(tasks=[{"kind": "k"}] * (MAX_KINDS + 1)),
        INVALID,
    ),
    "tags": (
        "WorkerLifecycle/RegisterWorker",
        lambda: _registration(tasks=[{"kind": "k", "tags": ["t"] * 1000}]),
        INVALID,
    ),
    "capabilities": (
        "WorkflowDispatch/PollWorkflow",
        lambda: workflow_pb2.PollRequest(tenant_id=TENANT_ID, workflow_capabilities=["k"] * 500_000),
        INVALID,
    ),
    "labels": (
        "TaskExecution/PollTask",
        lambda: task_pb2.PollTaskRequest(tenant_id=TENANT_ID, worker_labels={str(n): "" for n in range(101)}),
        INVALID,
    ),
    "metadata": (
        "WorkflowDispatch/StartWorkflow",
        lambda: workflow_pb2.StartWorkflowRequest(tenant_id=TENANT_ID, metadata={str(n): "" for n in range(51)}),
        INVALID,
    ),
    "a message": (
        "TaskExecution/CompleteTask",
        lambda: task_pb2.CompleteTaskRequest(task_execution_id=ID, output=b"1" * (Limits().grpc_message_bytes + 1)),
        EXHAUSTED,
    ),
    "a payload": (
        "TaskExecution/CompleteTask",
        lambda: task_pb2.CompleteTaskRequest(task_execution_id=ID, output=b"1" * (MIB + 1)),
        EXHAUSTED,
    ),
    "a text that is repeated in the answer": (
        "WorkflowDispatch/StartWorkflow",
        lambda: workflow_pb2.StartWorkflowRequest(
            tenant_id=TENANT_ID, workflow_kind="k", metadata={"_flovyn_" + ODD * 60: ODD}
        ),
        INVALID,
    ),
}


class Untouched:
    """A database that fails the test when it is used."""

    def connection(self) -> Any:
        raise AssertionError("something was looked up")

    transaction = connection


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_beyond_a_limit_is_refused_before_anything_is_looked_up(
    client: Client, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, make, status = CALLS[name]
    monkeypatch.setattr(client.pool, "connection", Untouched().connection)
    monkeypatch.setattr(client.pool, "transaction", Untouched().connection)
    call: Any = client.channel.unary_unary(
        f"/flovyn.v1.{method}", request_serializer=lambda each: each.SerializeToString()
    )
    answered, text = await status_of(call(make(), metadata=bearer()))
    assert answered is status, text
    assert len(text.encode()) <= MAX_ERROR_BYTES


BODIES: Mapping[str, tuple[str, bytes, int]] = {
    "unknown members": (
        "/workflow-executions",
        json.dumps({"kind": "k", **{f"unknown-{n}": n for n in range(50_000)}}).encode(),
        400,
    ),
    "wrong values": (
        "/workflow-executions",
        json.dumps({"kind": "k", "metadata": {str(n): n for n in range(900)}}).encode(),
        400,
    ),
    "many wrong values": (
        "/workflow-executions",
        json.dumps({"kind": "k", "metadata": {str(n): n for n in range(40_000)}}).encode(),
        400,
    ),
    "values": ("/workflow-executions", b'{"kind":"k","input":' + NESTED + b"}", 400),
    "a deep body": ("/task-executions", b'{"kind":"k","input":' + b"[" * 600 + b"]" * 600 + b"}", 400),
    "no JSON": ("/task-executions", b"{" * (2 * MIB), 400),
    "a body": ("/task-executions", b" " * (2 * MIB + 1), 413),
    "a text that is repeated in the answer": (
        "/schedules",
        json.dumps({"name": "n", ODD * 10_000: 1}, ensure_ascii=False).encode(),
        400,
    ),
}


async def _post(client: Client, path: str, body: bytes, **more: Any) -> testing.Result:
    headers = {"authorization": f"Bearer {WORKER_KEY}"}
    async with testing.ASGIConductor(client.app) as conductor:
        answer: testing.Result = await conductor.simulate_request(
            "POST", BASE + path, headers=headers, body=body, **more
        )
    return answer


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_beyond_a_limit_is_refused_with_a_short_answer(client: Client, name: str) -> None:
    path, body, status = BODIES[name]
    answer = await _post(client, path, body)
    assert answer.status_code == status, answer.text[:500]
    assert len(answer.content) <= MAX_ERROR_BYTES


async def test_an_answer_names_the_first_problems_and_counts_the_others(client: Client) -> None:
    answer = await _post(client, "/workflow-executions", json.dumps({str(n): n for n in range(100)}).encode())
    assert answer.json["error"].count(": ") == 6
    assert answer.json["error"].endswith("and 96 more problems")


async def test_a_path_is_repeated_in_an_answer_up_to_the_limit(client: Client) -> None:
    answer = await _post(client, "/nothing/" + "%01" * 4000, b"")
    assert answer.status_code == 404
    assert len(answer.content) <= MAX_ERROR_BYTES


async def test_a_tenant_with_too_many_calls_is_refused_and_its_parked_polls_do_not_count(database: str) -> None:
    """Calls that wait for the database are under way; another tenant is not concerned."""
    config = {**CONFIG, "limits": {"calls_per_tenant": 2}}
    async with running_server(database, config=config, ENGINE__POLL_HOLD_MS="60000") as client:
        parked = [
            asyncio.ensure_future(
                client.tasks.PollTask(task_pb2.PollTaskRequest(tenant_id=TENANT_ID), metadata=bearer())
            )
            for _ in range(5)
        ]
        await client.engine.wakeups[list(client.engine.wakeups)[1]].parked.wait()
        caps = client.call_caps
        held = [caps.add(f"elsewhere-{n}", 1) for n in range(2)]
        await submit_task(client)  # of the others, none counts yet
        identity = await client.authentication.stacks[Protocol.GRPC].of("/").authenticate(_credentials())
        for each in held:
            each.count_for(identity)
        refused, text = await status_of(
            client.tasks.SubmitTask(task_pb2.SubmitTaskRequest(tenant_id=TENANT_ID, kind="k"), metadata=bearer())
        )
        assert (refused, "2 calls under way" in text) == (EXHAUSTED, True)
        assert (await _post(client, "/task-executions", b'{"kind":"k"}')).status_code == 429
        for each in held:
            each.release()
        await submit_task(client)
        for each in parked:
            each.cancel()
        await asyncio.gather(*parked, return_exceptions=True)


async def test_a_busy_tenant_waits_for_its_turn_beside_another_one(database: str) -> None:
    """Its next call of either protocol waits, but no poll and no stream; the other tenant's calls do not."""
    config = {**CONFIG, "limits": {"calls_beside_others": 2}}
    async with running_server(database, config=config) as client:
        share = client.call_caps.fair_share
        assert [share.enter(owner) for owner in (TENANT, TENANT, OTHER_TENANT)] == [None] * 3
        waiting = [
            asyncio.ensure_future(submit_task(client)),
            asyncio.ensure_future(_post(client, "/task-executions", b'{"kind":"k"}')),
        ]
        other = workflow_pb2.StartWorkflowRequest(tenant_id=str(OTHER_TENANT), workflow_kind="k")
        await client.dispatch.StartWorkflow(other, metadata=bearer(OTHER_KEY))
        await client.tasks.PollTask(task_pb2.PollTaskRequest(tenant_id=TENANT_ID, queue="none"), metadata=bearer())
        assert [each.done() for each in waiting] == [False, False]
        share.leave(OTHER_TENANT)
        await asyncio.wait_for(asyncio.gather(*waiting), 20)


def _credentials() -> Any:
    from core.auth import AuthRequest, Protocol

    return AuthRequest(Protocol.GRPC, "/", dict(bearer()), "127.0.0.1")


async def test_subscriptions_have_the_caps_of_streams(database: str) -> None:
    config = {**CONFIG, "engine": {"streams_per_tenant": 2}}
    async with running_server(database, config=config) as client:
        request = workflow_pb2.SubscriptionRequest(tenant_id=TENANT_ID, queue="q")
        open_streams = client.engine.streams.open_streams
        watcher = client.dispatch.SubscribeToNotifications(request, metadata=bearer())
        with open_streams.counting(TENANT):  # as a stream of REST takes it
            second = client.dispatch.SubscribeToNotifications(request, metadata=bearer())
            ended = [asyncio.ensure_future(each.code()) for each in (watcher, second)]
            await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED, timeout=10)
            assert [each.result() for each in ended if each.done()] == [EXHAUSTED]
        watcher.cancel()
        second.cancel()


async def test_the_request_of_a_refused_call_is_not_kept(client: Client) -> None:
    """The library keeps an error with all frames that it went through, until garbage is collected."""
    call: Any = client.channel.unary_unary("/flovyn.v1.WorkflowDispatch/SubmitWorkflowCommands")
    data = _commands(3, record_operation={"operation_name": "n", "result": NESTED}).SerializeToString()
    await status_of(call(data, metadata=bearer()))
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(10):
            await status_of(call(data, metadata=bearer()))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert kept < 3 * len(data)
