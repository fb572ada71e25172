"""A call with an idempotency key is carried out once, and answered the same each time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio
from falcon import testing

from plugins.hello_world import greeting_pb2, greeting_pb2_grpc
from plugins.hello_world.plugin import HelloWorldPlugin
from plugins.worker_token import token_pb2, token_pb2_grpc
from plugins.worker_token.plugin import WorkerTokenPlugin
from proto.flovyn.v1 import workflow_pb2
from server.domain.worker import Category
from server.engine.repeats import REPLAYED
from tests.support.calls import poll, rows, start, status_of
from tests.support.driving import send_signal, until
from tests.support.proxy import AROUND_COMMIT, Cut, proxied
from tests.support.running import CONFIG, OTHER_KEY, TENANT, WORKER_KEY, Client, bearer, running_server

USER_KEY = "flovyn_sk_test_0123456789abcdef"
USER = {
    "key": USER_KEY,
    "tenant_id": str(TENANT),
    "principal_type": "User",
    "principal_id": "api:test",
    "role": "ADMIN",
}
WITH_USER = {**CONFIG, "auth": {"static_api_key": {"keys": [*CONFIG["auth"]["static_api_key"]["keys"], USER]}}}

STARTS = "/api/v1/workflows"
PLUGINS = [WorkerTokenPlugin, HelloWorldPlugin]


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    async with running_server(database, PLUGINS, WITH_USER, WORKER_TOKEN_SECRET="s" * 32) as client:
        yield client


async def send(client: Client, path: str, body: object, key: str, caller: str = USER_KEY) -> testing.Result:
    """POST with an idempotency key."""
    headers = {"authorization": f"Bearer {caller}", "idempotency-key": key}
    async with testing.ASGIConductor(client.app) as conductor:
        answer: testing.Result = await conductor.simulate_request("POST", path, headers=headers, json=body)
    return answer


def keyed(key: str, caller: str = WORKER_KEY) -> tuple[tuple[str, str], ...]:
    """Return the metadata of a gRPC call with an idempotency key."""
    return (*bearer(caller), ("idempotency-key", key))


def told(answer: testing.Result) -> tuple[Any, ...]:
    """Return all of an answer but the headers that tell one request from the other."""
    shown = {name: value for name, value in answer.headers.items() if name not in {"x-request-id", REPLAYED}}
    return answer.status_code, answer.content, shown


async def count(client: Client, table: str) -> int:
    """Return how many rows a table has."""
    return int((await rows(client, f"SELECT count(*) FROM {table}"))[0][0])


async def test_a_request_sent_again_is_answered_the_same_and_does_nothing(client: Client) -> None:
    """Status, headers and body are the first answer's, also when the workflow has moved on since."""
    first = await send(client, STARTS, {"kind": "k", "input": {"n": 1}}, "one")
    again = await send(client, STARTS, {"kind": "k", "input": {"n": 1}}, '"one"')
    assert await poll(client) is not None
    late = await send(client, STARTS, {"kind": "k", "input": {"n": 1}}, "one")
    assert first.status_code == 201
    assert told(again) == told(late) == told(first)
    assert (first.headers.get(REPLAYED), again.headers[REPLAYED], late.headers[REPLAYED]) == (None, "true", "true")
    assert await count(client, "workflow_execution") == 1


async def test_calls_at_once_with_one_key_have_one_effect(client: Client) -> None:
    """Whether they meet in one process or in the database: all get the answer of the one that was carried out."""
    answers = await asyncio.gather(*(send(client, STARTS, {"kind": "k"}, "one") for _ in range(20)))
    assert len({told(answer)[1] for answer in answers}) == 1
    assert [answer.status_code for answer in answers] == [201] * 20
    assert await count(client, "workflow_execution") == 1


async def test_calls_at_once_in_two_servers_have_one_effect(client: Client, database: str) -> None:
    """The database decides which of the servers carries it out."""
    async with running_server(database, PLUGINS, WITH_USER, WORKER_TOKEN_SECRET="s" * 32) as other:
        servers = [client, other] * 5
        answers = await asyncio.gather(*(send(each, STARTS, {"kind": "k"}, "one") for each in servers))
    assert len({answer.content for answer in answers}) == 1
    assert await count(client, "workflow_execution") == 1


async def test_another_content_under_the_same_key_is_refused(client: Client) -> None:
    """Over REST with 422 and over gRPC with ALREADY_EXISTS; nothing is done."""
    workflow = await start(client)
    path = f"/api/v1/workflows/{workflow}/signal"
    assert (await send(client, path, {"signal_name": "a"}, "one")).status_code == 200
    for body, place in (
        ({"signal_name": "b"}, path),
        ({"signal_name": "a"}, path.replace(workflow, await start(client))),
    ):
        refused = await send(client, place, body, "one")
        assert (refused.status_code, refused.json["code"]) == (422, "idempotency_key_reused")
        assert "another content" in refused.json["error"]
    await client.dispatch.SignalWorkflow(send_signal(workflow, "a"), metadata=keyed("two"))
    code, text = await status_of(client.dispatch.SignalWorkflow(send_signal(workflow, "b"), metadata=keyed("two")))
    assert code is grpc.StatusCode.ALREADY_EXISTS
    assert "another content" in text
    assert await rows(client, "SELECT count(*) FROM workflow_event WHERE event_type = 'SIGNAL_RECEIVED'") == [(2,)]


async def test_a_key_is_its_callers_and_its_operations(client: Client) -> None:
    """Two callers, two tenants, two operations or the two protocols share no key."""
    body = {"kind": "k"}
    answers = [await send(client, STARTS, body, "one", caller) for caller in (USER_KEY, WORKER_KEY, OTHER_KEY)]
    answers.append(await send(client, "/api/v1/tenants/test/task-executions", body, "one"))
    request = workflow_pb2.StartWorkflowRequest(tenant_id=str(TENANT), workflow_kind="k")
    await client.dispatch.StartWorkflow(request, metadata=keyed("one"))
    assert [answer.status_code for answer in answers] == [201] * 4
    assert await count(client, "workflow_execution") == 4


async def test_a_key_counts_at_every_alias_of_a_route(client: Client) -> None:
    """A client that is pointed to the other prefix does not start a second workflow."""
    first = await send(client, STARTS, {"kind": "k"}, "one")
    for place in ("/api/orgs/test", "/api/tenants/test", f"/api/v1/tenants/{TENANT}"):
        assert told(await send(client, f"{place}/workflow-executions", {"kind": "k"}, "one")) == told(first)
    assert await count(client, "workflow_execution") == 1


async def test_a_refused_call_may_be_sent_again(client: Client) -> None:
    """Only what was done is remembered: an error is not."""
    path = f"/api/v1/workflows/{uuid4()}/signal"
    for _ in range(2):
        assert (await send(client, path, {"signal_name": "a"}, "one")).status_code == 404
    assert await count(client, "call_answer") == 0


async def test_an_answer_is_forgotten_when_its_time_is_over(client: Client) -> None:
    """From then on, the key is free, and the cleaner takes the answer away."""
    await send(client, STARTS, {"kind": "k"}, "one")
    await rows(client, "UPDATE call_answer SET expires_at = now() - interval '1 second' RETURNING 1")
    assert (await send(client, STARTS, {"kind": "other"}, "one")).status_code == 201
    await rows(client, "UPDATE call_answer SET expires_at = now() - interval '1 second' RETURNING 1")
    # The server's own cleaner may be in the middle of its pass: then it deletes the answer, not this call.
    await client.engine.clean_keys()
    await until(lambda: count(client, "call_answer"), lambda number: number == 0)


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "a\tb"])
async def test_a_key_that_cannot_be_used_is_refused(client: Client, key: str) -> None:
    """A key that is too long or not printable is an error of the caller, who else would believe in it."""
    assert (await send(client, STARTS, {"kind": "k"}, key)).status_code == 400
    assert await count(client, "workflow_execution") == 0


async def test_a_call_that_needs_no_key_ignores_one(client: Client) -> None:
    """Clients may send one with everything."""
    workflow = await start(client)
    for reason in ("a", "b"):
        answer = await send(client, f"/api/v1/workflows/{workflow}/cancel", {"reason": reason}, "one")
        assert answer.status_code == 200
    assert await count(client, "call_answer") == 0


@pytest.mark.parametrize("cut", AROUND_COMMIT)
async def test_a_commit_of_unknown_outcome_is_found_by_the_key(database: str, cut: Cut) -> None:
    """The database's answer to the COMMIT is lost, or the COMMIT itself: sent again, the call has one effect."""
    async with proxied(database) as (proxy, url), running_server(url) as client:
        workflow = await start(client)
        proxy.cut_next(cut, "call_answer")
        code, _ = await status_of(client.dispatch.SignalWorkflow(send_signal(workflow), metadata=keyed("one")))
        assert code is grpc.StatusCode.UNAVAILABLE
        assert proxy.cuts == 1
        answer = await client.dispatch.SignalWorkflow(send_signal(workflow), metadata=keyed("one"))
        again = await client.dispatch.SignalWorkflow(send_signal(workflow), metadata=keyed("one"))
        assert answer == again == workflow_pb2.SignalWorkflowResponse(signal_event_sequence=2)
        assert await rows(client, "SELECT count(*) FROM workflow_event") == [(2,)]


async def test_a_waiting_worker_gets_a_workflow_of_a_call_with_a_key(database: str) -> None:
    """It is woken when all is committed: woken before, it would find nothing and wait on."""
    config = {**WITH_USER, "engine": {"poll_hold_ms": 20_000}}
    async with running_server(database, config=config) as client:
        waiting = asyncio.create_task(poll(client))
        async with asyncio.timeout(10):
            await client.engine.wakeups[Category.WORKFLOW].parked.wait()
        answer = await send(client, STARTS, {"kind": "k"}, "one")
        async with asyncio.timeout(1.5):  # before the nudger would
            execution = await waiting
    assert execution is not None
    assert execution.id == answer.json["workflowExecutionId"]


async def test_a_waiting_worker_never_gets_a_workflow_that_was_rolled_back(database: str) -> None:
    """Work of a call with a key is not dispatched to a parked poller before the commit, which may fail."""
    config = {**WITH_USER, "engine": {"poll_hold_ms": 20_000}}
    async with proxied(database) as (proxy, url), running_server(url, config=config) as client:
        waiting = asyncio.create_task(poll(client))
        async with asyncio.timeout(10):
            await client.engine.wakeups[Category.WORKFLOW].parked.wait()
        proxy.cut_next(Cut.BEFORE, "INSERT INTO call_answer")
        assert (await send(client, STARTS, {"kind": "k"}, "one")).status_code == 503
        workflow_id = await start(client)
        execution = await waiting
    assert execution is not None
    assert execution.id == workflow_id


async def test_a_secret_is_neither_stored_nor_shown_again(client: Client) -> None:
    """A token that was made stays the only one; the caller is told which it is, and what to do."""
    path, body = "/api/v1/p/worker-token/tokens", {"displayName": "w"}
    made = await send(client, path, body, "one")
    again = await send(client, path, body, "one")
    assert (again.status_code, again.json["code"]) == (409, "answer_not_kept")
    assert made.json["id"] in again.json["error"]
    stub: Any = token_pb2_grpc.TokenServiceStub(client.channel)
    request = token_pb2.CreateTokenRequest(display_name="v")
    new = await stub.CreateToken(request, metadata=keyed("one", USER_KEY))
    code, text = await status_of(stub.CreateToken(request, metadata=keyed("one", USER_KEY)))
    assert code is grpc.StatusCode.ALREADY_EXISTS
    assert new.id in text
    assert await count(client, "p_worker_token__tokens") == 2
    assert await rows(client, "SELECT answer FROM call_answer") == [(None,), (None,)]


async def test_a_plugins_call_is_carried_out_once_without_its_doing(client: Client) -> None:
    """The rows of the plugin and the answer are one transaction, over both protocols."""
    for _ in range(2):
        answer = await send(client, "/api/v1/p/hello-world/greetings", {"name": "Ada"}, "one")
        assert (answer.status_code, answer.json["times"]) == (201, 1)
    stub: Any = greeting_pb2_grpc.GreetingServiceStub(client.channel)
    call = stub.Greet(greeting_pb2.GreetRequest(name="Ada"), metadata=keyed("one"))
    assert (await call).times == 2
    assert REPLAYED not in dict(await call.trailing_metadata())
    call = stub.Greet(greeting_pb2.GreetRequest(name="Ada"), metadata=keyed("one"))
    assert (await call).times == 2
    assert dict(await call.trailing_metadata())[REPLAYED] == "true"


async def test_a_deletion_is_answered_as_such_when_repeated(client: Client) -> None:
    """By the one who did; another caller, and a name that never was, get 404."""
    task = (await client.rest("POST", "/api/v1/tenants/test/task-executions", {"kind": "k"}, USER_KEY)).json["id"]
    path = f"/api/v1/tenants/test/task-executions/{task}"
    answers = [(await client.rest("DELETE", path, key=USER_KEY)).status_code for _ in range(3)]
    assert answers == [204, 204, 204]
    assert (await client.rest("DELETE", path, key=WORKER_KEY)).status_code == 404
    assert (await client.rest("DELETE", path.replace(task, str(uuid4())), key=USER_KEY)).status_code == 404
