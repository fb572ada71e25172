"""The contributions of plugins: observers, path rules, documentation, reflection, metrics, locks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import falcon.asgi
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from openapi_spec_validator import validate

from core.auth import Action
from core.calls import Call, CallObserver, Outcome
from core.endpoints import RestRoute
from core.errors import NotFound, PluginError, Unavailable
from core.openapi import OpenApiFragment
from core.plugin import Plugin
from core.plugin_services import PluginServices
from core.rest_model import RestModel
from core.service import Service
from plugins.hello_world import greeting_pb2, greeting_pb2_grpc
from plugins.hello_world.plugin import HelloWorldPlugin
from plugins.worker_token.plugin import WorkerTokenPlugin
from proto.flovyn.v1 import workflow_pb2
from tests.support.running import (
    CONFIG,
    OPERATOR_KEY,
    OTHER_KEY,
    TENANT,
    WORKER_KEY,
    Client,
    bearer,
    running_server,
)

WAIT_S = 20


class Item(RestModel):
    """An item."""

    id: str
    note: str | None = None


class Probe(Plugin):
    """Adds a route with an alias and watches every call."""

    name = "probe"
    version = "1"
    refusal: Exception | None = None
    """The exception that ``before`` raises."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Call, Outcome | None]] = []
        self.handled = 0

    def rest_routes(self) -> Sequence[RestRoute]:
        """Offer one route."""

        async def item(_request: falcon.asgi.Request, response: falcon.asgi.Response, id: str) -> None:  # noqa: A002
            self.handled += 1
            if id == "none":
                raise NotFound("there is no such item")
            if id == "bug":
                raise ZeroDivisionError
            response.media = Item(id=id).as_json()

        return [
            RestRoute(
                "PUT",
                "/items/{id}",
                item,
                Action.UPDATE,
                "item",
                "Touch",
                request_model=Item,
                response_model=Item,
                aliases=("/api/tenants/{slug}/items/{id}",),
            )
        ]

    def openapi(self) -> OpenApiFragment:
        """Add a schema and use it."""
        reference = {"$ref": "#/components/schemas/Extra"}
        content = {"application/json": {"schema": reference}}
        operation = {"responses": {"200": {"description": "Touched.", "content": content}}}
        return OpenApiFragment("Probes.", {"Extra": {"type": "object"}}, {"PUT /items/{id}": operation})

    def observers(self) -> Sequence[CallObserver]:
        """Watch."""
        return [Recorder(self)]


class Recorder(CallObserver):
    """Keeps what it sees."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe

    async def before(self, call: Call) -> None:
        """Record, then refuse where the test says so."""
        self._probe.seen.append(("before", call, None))
        if self._probe.refusal is not None:
            raise self._probe.refusal

    async def after(self, call: Call, outcome: Outcome) -> None:
        """Record."""
        self._probe.seen.append(("after", call, outcome))


@asynccontextmanager
async def probed(database: str, *more: type[Plugin]) -> AsyncIterator[tuple[Client, Probe]]:
    async with running_server(database, [Probe, *more]) as client:
        probe = client.registry.plugins()[-1]
        assert isinstance(probe, Probe)
        yield client, probe


ITEM = "/api/v1/p/probe/items"


async def test_an_observer_sees_a_call_before_and_after(database: str) -> None:
    """Both times the same call, with who, what, whose and from where; the outcome names the thing."""
    async with probed(database) as (client, probe):
        await client.rest("PUT", f"{ITEM}/7", {"id": "7"}, key=WORKER_KEY)
        (_, call, _), (_, same, outcome) = probe.seen
        assert call == same
        assert (call.operation, call.action, call.resource) == (f"PUT {ITEM}/{{id}}", Action.UPDATE, "item")
        assert (call.identity.id if call.identity else "", call.tenant_id) == ("worker:test", TENANT)
        assert call.peer == "127.0.0.1"
        assert outcome is not None
        assert (outcome.code, outcome.resource_id, outcome.empty) == ("ok", "7", False)
        assert outcome.duration > 0


@pytest.mark.parametrize(
    ("item", "body", "key", "code", "steps"),
    [
        ("none", {"id": "7"}, WORKER_KEY, "not_found", ["before", "after"]),
        ("bug", {"id": "7"}, WORKER_KEY, "internal", ["before", "after"]),
        ("7", {"id": 7}, WORKER_KEY, "invalid_input", ["after"]),
        ("7", {"id": "7"}, "an unknown key", "unauthenticated", ["after"]),
        ("7", {"id": "7"}, None, "unauthenticated", ["after"]),
        ("7", {"id": "7"}, OPERATOR_KEY, "permission_denied", ["after"]),
    ],
)
async def test_an_observer_sees_how_a_call_ended(
    database: str, item: str, body: object, key: str | None, *, code: str, steps: list[str]
) -> None:
    """Refused and malformed calls are seen once, failed ones twice, always with the code of the answer."""
    async with probed(database) as (client, probe):
        answer = await client.rest("PUT", f"{ITEM}/{item}", body, key=key)
        assert [step for step, _, _ in probe.seen] == steps
        outcome = probe.seen[-1][2]
        assert outcome is not None
        assert (outcome.code, answer.json["code"]) == (code, code)


@pytest.mark.parametrize(
    ("refusal", "status"), [(Unavailable("the log is full"), 503), (ZeroDivisionError(), 503), (NotFound("no"), 404)]
)
async def test_an_observer_can_keep_a_call_from_happening(database: str, refusal: Exception, status: int) -> None:
    """The handler does not run, whether the observer means it or fails; over gRPC as well."""
    async with probed(database) as (client, probe):
        probe.refusal = refusal
        assert (await client.rest("PUT", f"{ITEM}/7", {"id": "7"}, key=WORKER_KEY)).status_code == status
        start = workflow_pb2.StartWorkflowRequest(tenant_id=str(TENANT), workflow_kind="k")
        with pytest.raises(grpc.aio.AioRpcError):
            await client.dispatch.StartWorkflow(start, metadata=bearer())
        probe.refusal = None
        assert probe.handled == 0
        poll = workflow_pb2.PollRequest(tenant_id=str(TENANT), worker_id="w")
        assert not (await client.dispatch.PollWorkflow(poll, metadata=bearer())).HasField("workflow_execution")


async def test_an_observer_sees_grpc_calls_too(database: str) -> None:
    """Polls without work are empty; a call of another tenant is a refusal, with the caller's own tenant; streams are seen."""
    async with probed(database, HelloWorldPlugin) as (client, probe):
        poll = workflow_pb2.PollRequest(tenant_id=str(TENANT), worker_id="w")
        await client.dispatch.PollWorkflow(poll, metadata=bearer())
        with pytest.raises(grpc.aio.AioRpcError):
            await client.dispatch.PollWorkflow(poll, metadata=bearer(OTHER_KEY))
        stub = greeting_pb2_grpc.GreetingServiceStub(client.channel)
        await stub.Greet(greeting_pb2.GreetRequest(name="Ada"), metadata=bearer())
        async for _ in stub.ListGreetings(greeting_pb2.ListGreetingsRequest(), metadata=bearer()):
            pass
        ended = [(call.operation, outcome) for _, call, outcome in probe.seen if outcome is not None]
        assert [(operation.rpartition("/")[2], outcome.code, outcome.empty) for operation, outcome in ended] == [
            ("PollWorkflow", "ok", True),
            ("PollWorkflow", "permission_denied", False),
            ("Greet", "ok", False),
            ("ListGreetings", "ok", False),
        ]
        assert ended[2][1].resource_id == "Ada"
        assert {call.peer for _, call, _ in probe.seen} == {"127.0.0.1"}


async def test_an_observer_learns_what_a_call_is_about(database: str) -> None:
    """From the request before it runs, from the answer where it makes the thing."""
    async with probed(database) as (client, probe):
        start = workflow_pb2.StartWorkflowRequest(tenant_id=str(TENANT), workflow_kind="k")
        workflow = (await client.dispatch.StartWorkflow(start, metadata=bearer())).workflow_execution_id
        poll = workflow_pb2.PollRequest(tenant_id=str(TENANT), worker_id="w")
        await client.dispatch.PollWorkflow(poll, metadata=bearer())
        events = workflow_pb2.GetEventsRequest(workflow_execution_id=workflow)
        await client.dispatch.GetEvents(events, metadata=bearer())
        told = [(step, call.resource_id, outcome and outcome.resource_id) for step, call, outcome in probe.seen]
        assert told == [
            ("before", None, None),
            ("after", None, workflow),
            ("before", None, None),
            ("after", None, workflow),
            ("before", workflow, None),
            ("after", workflow, workflow),
        ]


async def test_an_alias_is_the_same_route_in_the_tenants_place(database: str) -> None:
    """By slug or id, and not for strangers."""
    async with probed(database) as (client, _):
        for slug, key, status in (("test", WORKER_KEY, 200), (str(TENANT), WORKER_KEY, 200), ("test", OTHER_KEY, 404)):
            answer = await client.rest("PUT", f"/api/tenants/{slug}/items/7", {"id": "7"}, key=key)
            assert answer.status_code == status


async def test_rules_by_path_decide_who_is_asked(database: str) -> None:
    """A rule can close a part to everybody but some, or open it, over both protocols."""
    endpoint = {
        "rules": [
            {"path": "/api/v1/p/probe/**", "authenticators": ["noop"], "authorizer": "noop"},
            {"path": "/api/v1/tenants/*", "authorizer": "hello_world_read_only"},
        ]
    }
    methods = {"rules": [{"path": "/flovyn.v1.WorkflowDispatch/*", "authorizer": "hello_world_read_only"}]}
    endpoints = {"http": endpoint, "grpc": methods}
    config = {**CONFIG, "tenants": CONFIG["tenants"][:1], "auth": {**CONFIG["auth"], "endpoints": endpoints}}
    async with running_server(database, [Probe, HelloWorldPlugin], config) as client:
        assert (await client.rest("PUT", f"{ITEM}/7", {"id": "7"}, key=None)).status_code == 200
        assert (await client.rest("GET", "/api/v1/tenants/test", key=WORKER_KEY)).status_code == 200
        assert (await client.rest("GET", "/api/v1/tenants/test", key=OPERATOR_KEY)).status_code == 403
        start = workflow_pb2.StartWorkflowRequest(tenant_id=str(TENANT), workflow_kind="k")
        with pytest.raises(grpc.aio.AioRpcError, match="read-only"):
            await client.dispatch.StartWorkflow(start, metadata=bearer())


async def test_the_openapi_document_is_valid_and_whole(database: str) -> None:
    """It validates, has every route once, and a plugin's part under its own names."""
    async with running_server(
        database, [Probe, HelloWorldPlugin, WorkerTokenPlugin], WORKER_TOKEN_SECRET="x" * 32
    ) as client:
        document: Any = (await client.rest("GET", "/api/docs/openapi.json", key=WORKER_KEY)).json
        page = await client.rest("GET", "/api/docs", key=OPERATOR_KEY)
    validate(document)
    assert document["openapi"].startswith("3.0")
    routes = {(route.path, route.method.lower()) for route in _routes(client)}
    assert {(path, method) for path, methods in document["paths"].items() for method in methods} == routes
    assert document["paths"][f"{ITEM}/{{id}}"]["put"]["responses"]["200"]["content"] == {
        "application/json": {"schema": {"$ref": "#/components/schemas/probe.Extra"}}
    }
    assert {"probe.Item", "probe.Extra", "hello_world.Greet", "TenantBody"} <= document["components"]["schemas"].keys()
    assert document["components"]["schemas"]["probe.Item"]["properties"]["note"] == {
        "type": "string",
        "nullable": True,
        "default": None,
    }
    assert {"name": "probe", "description": "Probes."} in document["tags"]
    assert page.headers["content-type"].startswith("text/html")
    assert f"{ITEM}/{{id}}" in page.text


def _routes(client: Client) -> list[RestRoute]:
    return client.routes


async def test_reflection_and_health_know_every_service(database: str) -> None:
    """The plugins' too; reflection asks who calls, health does not."""
    async with running_server(database, [HelloWorldPlugin]) as client:
        ours = "flovyn.plugins.hello_world.v1.GreetingService"
        listing = reflection_pb2.ServerReflectionRequest(list_services="")
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(client.channel)
        answers = [each async for each in stub.ServerReflectionInfo(iter([listing]), metadata=bearer())]
        names = {each.name for each in answers[0].list_services_response.service}
        assert names >= {ours, "flovyn.v1.WorkflowDispatch", "grpc.health.v1.Health"}
        health: Any = health_pb2_grpc.HealthStub(client.channel)
        for name in ("", ours, "flovyn.v1.WorkflowDispatch"):
            status = (await health.Check(health_pb2.HealthCheckRequest(service=name))).status
            assert status == health_pb2.HealthCheckResponse.SERVING
        assert await stub.ServerReflectionInfo().code() is grpc.StatusCode.UNAUTHENTICATED


async def test_metrics_are_the_operators(database: str) -> None:
    """Prometheus' text; a tenant's key does not read it."""
    async with running_server(database, [HelloWorldPlugin]) as client:
        answer = await client.rest("GET", "/_/metrics")
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/plain")
        assert "# TYPE flovyn_hello_world_refusals_total counter" in answer.text
        assert (await client.rest("GET", "/_/metrics", key=WORKER_KEY)).status_code == 403


async def test_options_say_nothing_to_strangers(database: str) -> None:
    """Only known callers learn which routes exist; a route answers OPTIONS like any other wrong method."""
    async with running_server(database) as client:
        assert (await client.rest("OPTIONS", "/api/v1/tenants", key=None)).status_code == 405


class Ticker:
    """Counts how many of it run."""

    name = "ticker"
    running = 0
    most = 0
    started = asyncio.Event()

    async def run(self) -> None:
        """Run until cancelled."""
        type(self).running += 1
        type(self).most = max(self.most, self.running)
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            type(self).running -= 1


class Ticking(Plugin):
    """Runs a service once per deployment."""

    name = "ticking"
    version = "1"

    def setup(self, services: PluginServices) -> None:
        """Keep the services."""
        self._services = services

    def background_services(self) -> Sequence[Service]:
        """Run it."""
        return [self._services.once_per_deployment(Ticker())]


async def test_a_service_runs_once_in_a_deployment_and_moves_on(database: str) -> None:
    """Of two servers on one database one runs it; when that one stops, the other takes over."""
    Ticker.running, Ticker.most, Ticker.started = 0, 0, asyncio.Event()
    async with AsyncExitStack() as second:
        async with running_server(database, [Ticking]), asyncio.timeout(WAIT_S):
            await Ticker.started.wait()
            other = await second.enter_async_context(running_server(database, [Ticking]))
            await other.listening.connected.wait()
            assert (Ticker.running, Ticker.most) == (1, 1)
            Ticker.started.clear()
        async with asyncio.timeout(WAIT_S):
            await Ticker.started.wait()
    assert (Ticker.running, Ticker.most) == (0, 1)


@pytest.mark.parametrize("hook", ["setup", "openapi", "observers", "background_services", "on_startup"])
async def test_a_plugin_that_fails_is_named_and_nothing_is_left(database: str, hook: str) -> None:
    """The start is refused with plugin, hook and reason; the next start without it works."""

    def broken(*_arguments: object) -> None:
        raise ZeroDivisionError("division")

    plugin = type("Broken", (Plugin,), {"name": "broken", "version": "1", hook: broken})
    with pytest.raises(PluginError, match=rf"'broken': {hook} failed: ZeroDivisionError: division"):
        async with running_server(database, [plugin]):
            pass
    async with running_server(database) as client:
        assert (await client.rest("GET", "/_/health", key=None)).status_code == 200
