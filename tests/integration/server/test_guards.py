"""No call gets around the guard of an endpoint, and observers learn of every call how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import falcon
import falcon.asgi
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc

from core.auth import Action, Authenticator, Authorizer, AuthRequest, AuthzContext, Decision, Identity
from core.calls import Call, CallObserver, Outcome
from core.endpoints import GrpcMethod, GrpcService, RestRoute
from core.plugin import Plugin
from core.rest_model import Moment, RestModel
from plugins.hello_world import greeting_pb2, greeting_pb2_grpc
from proto.flovyn.v1 import task_pb2, task_pb2_grpc
from tests.support.running import CONFIG, OPERATOR_KEY, TENANT, WORKER_KEY, Client, bearer, running_server

WAIT_S = 20


class Timed(RestModel):
    """A moment."""

    at: Moment


class Odd(Plugin):
    """Endpoints that end in every way, and an observer that keeps what it is told."""

    name = "hello-world"
    version = "1"

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.told = asyncio.Event()
        self.hold = asyncio.Event()
        self.hold.set()

    def rest_routes(self) -> Sequence[RestRoute]:
        """One route per way to end."""

        async def ends(_request: falcon.asgi.Request, response: falcon.asgi.Response, how: str) -> None:
            if how == "missing":
                raise falcon.HTTPNotFound
            if how == "elsewhere":
                raise falcon.HTTPSeeOther("/x")
            if how == "status":
                response.status = 403
            response.media = {"x": object() if how == "unserialisable" else 1}

        async def timed(request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
            response.media = request.context.body.as_json()

        aliases = ("/api/tenants/{slug}/ends/{how}",)
        return [
            RestRoute("GET", "/ends/{how}", ends, Action.VIEW, "end", "End", aliases=aliases),
            RestRoute("POST", "/timed", timed, Action.VIEW, "time", "Tell the time", request_model=Timed),
        ]

    def grpc_services(self) -> Sequence[GrpcService]:
        """A method that answers nothing, and one that streams something else."""

        async def nothing(_request: Any, _identity: Identity) -> Any:
            return None

        async def else_(_request: Any, _identity: Identity) -> AsyncIterator[Any]:
            yield greeting_pb2.GreetRequest(name="x")

        methods = {"Greet": GrpcMethod(nothing, Action.VIEW, "x"), "ListGreetings": GrpcMethod(else_, Action.VIEW, "x")}
        return [GrpcService(greeting_pb2.DESCRIPTOR.services_by_name["GreetingService"], methods)]

    def observers(self) -> Sequence[CallObserver]:
        """Keep the codes."""
        plugin = self

        class Keeper(CallObserver):
            async def after(self, call: Call, outcome: Outcome) -> None:
                plugin.told.set()
                await plugin.hold.wait()
                plugin.codes.append(outcome.code)

        return [Keeper()]


@asynccontextmanager
async def _odd(database: str, config: dict[str, Any] | None = None) -> AsyncIterator[tuple[Client, Odd]]:
    async with running_server(database, [Odd], config) as client:
        plugin = client.registry.plugins()[0]
        assert isinstance(plugin, Odd)
        yield client, plugin


ENDS = "/api/v1/p/hello-world/ends"


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ("well", 200, "ok"),
        ("missing", 404, "not_found"),
        ("elsewhere", 303, "ok"),
        ("status", 403, "permission_denied"),
        ("unserialisable", 500, "internal"),
    ],
)
async def test_observers_are_told_what_was_answered(database: str, how: str, status: int, code: str) -> None:
    """Whether the handler raised, set a status, or made an answer that cannot be sent."""
    async with _odd(database) as (client, plugin):
        assert (await client.rest("GET", f"{ENDS}/{how}", key=WORKER_KEY)).status_code == status
        assert plugin.codes == [code]


@pytest.mark.parametrize(
    "path", [ENDS, "//api/v1/p/hello-world/ends", "/api/tenants/test/ends", "//api/tenants/test/ends"]
)
async def test_a_rule_holds_however_its_endpoint_is_reached(database: str, path: str) -> None:
    """Neither an alias nor what the router overlooks in a path leads around it."""
    rules = [{"path": "/api/v1/p/hello-world/**", "authorizer": "roles"}]
    config = {**CONFIG, "auth": {**CONFIG["auth"], "endpoints": {"http": {"rules": rules}}}}
    async with _odd(database, config) as (client, _):
        assert (await client.rest("GET", f"{path}/well", key=WORKER_KEY)).status_code == 403


async def test_a_rule_about_an_alias_holds_at_the_canonical_path(database: str) -> None:
    """A rule that names a tenant's place counts for all places of the route."""
    rules = [{"path": "/api/v1/tenants/*/workers", "authorizer": "roles"}]
    config = {**CONFIG, "auth": {**CONFIG["auth"], "endpoints": {"http": {"rules": rules}}}}
    async with _odd(database, config) as (client, _):
        for path in ("/api/v1/tenants/test/workers", "/api/tenants/test/workers", "/api/orgs/test/workers"):
            assert (await client.rest("GET", path, key=WORKER_KEY)).status_code == 403


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026-01-01T00:00:00"])
async def test_a_moment_that_the_calendar_cannot_hold_is_refused(database: str, moment: str) -> None:
    """400, naming the field, before anything is stored; so are times without an offset."""
    async with _odd(database) as (client, _):
        answer = await client.rest("POST", "/api/v1/p/hello-world/timed", {"at": moment}, key=WORKER_KEY)
        assert (answer.status_code, "at: " in answer.json["error"]) == (400, True)
        for kind, body in (("task-executions", {"kind": "k", "scheduledAt": moment}),):
            assert (await client.rest("POST", f"/api/v1/tenants/test/{kind}", body, key=WORKER_KEY)).status_code == 400


async def test_a_handler_that_answers_something_else_is_a_bug_of_its_own(database: str) -> None:
    """INTERNAL without a text of the server's insides, over both kinds of answers; observers hear of it."""
    async with _odd(database) as (client, plugin):
        stub: Any = greeting_pb2_grpc.GreetingServiceStub(client.channel)
        with pytest.raises(grpc.aio.AioRpcError) as unary:
            await stub.Greet(greeting_pb2.GreetRequest(), metadata=bearer())
        with pytest.raises(grpc.aio.AioRpcError) as streamed:
            async for _ in stub.ListGreetings(greeting_pb2.ListGreetingsRequest(), metadata=bearer()):
                pass
        for caught in (unary, streamed):
            assert caught.value.code() is grpc.StatusCode.INTERNAL
            assert (caught.value.details() or "").startswith("internal error")
        assert plugin.codes == ["internal", "internal"]


async def test_an_operator_may_not_call_a_tenants_method(database: str) -> None:
    """A method that names no tenant and is not said to be the server's refuses callers without one."""
    async with _odd(database) as (client, _):
        stub: Any = greeting_pb2_grpc.GreetingServiceStub(client.channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Greet(greeting_pb2.GreetRequest(), metadata=bearer(OPERATOR_KEY))
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_an_outcome_is_told_also_when_the_caller_has_gone(database: str) -> None:
    """The call has happened: who must know of it does, whatever becomes of the caller."""
    async with _odd(database) as (client, plugin):
        plugin.hold.clear()
        stub: Any = task_pb2_grpc.TaskExecutionStub(client.channel)
        submit = task_pb2.SubmitTaskRequest(tenant_id=str(TENANT), kind="k")
        call = stub.SubmitTask(submit, metadata=bearer())
        await asyncio.wait_for(plugin.told.wait(), WAIT_S)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        plugin.hold.set()
        await asyncio.wait_for(client.authentication.observers.close(), WAIT_S)
        assert plugin.codes == ["ok"]


async def test_work_is_given_back_when_its_poller_goes_while_observers_are_told(database: str) -> None:
    """The answer never left: the next poller gets the task at once."""
    async with _odd(database) as (client, plugin):
        stub: Any = task_pb2_grpc.TaskExecutionStub(client.channel)
        submitted = await stub.SubmitTask(
            task_pb2.SubmitTaskRequest(tenant_id=str(TENANT), kind="k"), metadata=bearer()
        )
        plugin.hold.clear()
        plugin.told.clear()
        poll = task_pb2.PollTaskRequest(tenant_id=str(TENANT), worker_id="gone")
        call = stub.PollTask(poll, metadata=bearer())
        await asyncio.wait_for(plugin.told.wait(), WAIT_S)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        health: Any = health_pb2_grpc.HealthStub(client.channel)
        for _ in range(2):  # on the same connection: once it is answered, the server knows of the cancellation
            await health.Check(health_pb2.HealthCheckRequest())
        plugin.hold.set()
        async with asyncio.timeout(WAIT_S):
            while True:
                answer = await stub.PollTask(poll, metadata=bearer())
                if answer.HasField("task"):
                    break
        assert answer.task.task_execution_id == submitted.task_execution_id


class Deciding(Authenticator, Authorizer):
    """An authorizer that answers with the test's decision, or raises the test's exception."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    async def authenticate(self, request: AuthRequest) -> Any:
        """Answer."""
        return await self._given()

    async def authorize(self, context: AuthzContext) -> Any:
        """Answer."""
        return await self._given()

    async def _given(self) -> Any:
        if self._answer is asyncio.Event:
            await asyncio.Event().wait()
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer


def _plugin(hook: str, names: str, answer: Any) -> type[Plugin]:
    members = {names: lambda _self: ["deciding"], hook: lambda _self: {"deciding": Deciding(answer)}}
    return type("Deciding", (Plugin,), {"name": "deciding", "version": "1", **members})


NONSENSE = [None, "text", asyncio.CancelledError(), asyncio.Event, ZeroDivisionError()]


@pytest.mark.parametrize("answer", NONSENSE)
async def test_an_authenticator_that_fails_in_any_way_admits_no_caller(
    database: str, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nonsense, a cancellation of its own, and one that never answers are refusals."""
    monkeypatch.setattr("server.auth.stack.TIMEOUT_S", 0.05)
    plugin = _plugin("authenticators", "authenticator_names", answer)
    async with running_server(database, [plugin]) as client:
        assert (await client.rest("GET", "/api/v1/tenants/test", key="another key")).status_code == 401


@pytest.mark.parametrize("answer", [*NONSENSE, Decision(allowed="no"), Decision(allowed=1)])  # type: ignore[arg-type]
async def test_an_authorizer_that_fails_in_any_way_allows_nothing(
    database: str, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a Decision that says True lets a call pass."""
    monkeypatch.setattr("server.auth.stack.TIMEOUT_S", 0.05)
    plugin = _plugin("authorizers", "authorizer_names", answer)
    endpoints = {"http": {"authorizer": "deciding"}}
    config = {**CONFIG, "auth": {**CONFIG["auth"], "endpoints": endpoints}}
    async with running_server(database, [plugin], config) as client:
        assert (await client.rest("GET", "/api/v1/tenants/test", key=WORKER_KEY)).status_code == 403


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_observer_that_never_ends_holds_no_call_for_ever(
    database: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the call it is refused; after it, it is answered."""
    monkeypatch.setattr("server.observability.calls.BEFORE_TIMEOUT_S", 0.05)

    async def wait(_self: CallObserver, *_arguments: object) -> None:
        await asyncio.Event().wait()

    observer = type("Stuck", (CallObserver,), {when: wait})
    members = {"name": "stuck", "version": "1", "observers": lambda _self: [observer()]}
    async with running_server(database, [type("Stuck", (Plugin,), members)]) as client:
        answer = await client.rest("GET", "/api/v1/tenants/test", key=WORKER_KEY)
        assert answer.status_code == (503 if when == "before" else 200)


async def test_reflection_asks_the_authorizer_too(database: str) -> None:
    """A known caller without the right is refused, as at every other method."""
    plugin = _plugin("authorizers", "authorizer_names", Decision(allowed=False, reason="not you"))
    rules = [{"path": "/grpc.reflection.v1alpha.ServerReflection/*", "authorizer": "deciding"}]
    config = {**CONFIG, "auth": {**CONFIG["auth"], "endpoints": {"grpc": {"rules": rules}}}}
    async with running_server(database, [plugin], config) as client:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(client.channel)
        call = stub.ServerReflectionInfo(
            metadata=bearer()
        )  # sends nothing: a library may fail to, on a call that has ended
        assert await call.code() is grpc.StatusCode.PERMISSION_DENIED
        assert "not you" in await call.details()
