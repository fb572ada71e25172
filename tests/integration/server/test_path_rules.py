"""A rule of authentication counts for its route and its tenant, whatever path a request takes and however it is spelled.

The routes are those of the server and of all plugins; what stands before them is real, and their handlers only say that
they were reached.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import quote, unquote
from uuid import UUID

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.auth import NOT_MY_KIND, Authenticator, AuthRequest, AuthResponse, Identity, PrincipalType
from core.build_info import BuildInfo
from core.clock import SystemClock
from core.endpoints import Repeat, RestRoute, Scope
from core.tenant import Tenant
from plugins.audit_log.plugin import AuditLogPlugin
from plugins.hello_world.plugin import HelloWorldPlugin
from plugins.worker_token.plugin import WorkerTokenPlugin
from proto.flovyn.v1 import task_pb2
from server.admission.call_caps import CallCaps
from server.admission.pipeline import Admission
from server.auth.stack import AuthStack, Checks
from server.auth.tenant_scope import NoopAuthorizer
from server.config.limits import Limits
from server.config.path_rules import compiled
from server.observability.call_meter import CallMeter
from server.observability.calls import CallObservers
from server.observability.metrics import MetricsRegistry
from server.rest_api.app import build_app
from server.rest_api.browsers import Browsers
from server.rest_api.call import BrowserCalls
from server.rest_api.guard import RestGuard
from server.rest_api.pages import Pages
from server.rest_api.resources.health import Health
from server.rest_api.tenant_paths import CANONICAL
from tests.support.postgres import Databases
from tests.support.repetitions import times
from tests.support.running import CONFIG, OTHER_TENANT, TENANT, running_server

SLUGS = {TENANT: "test", OTHER_TENANT: "other"}
RULE_KEY, USUAL_KEY, OTHER_KEY = "key-of-the-rule", "usual-key", "usual-key-of-another-tenant"
REACHED, ELSEWHERE, UNKNOWN = 299, 298, 401
_PARAMETER = re.compile(r"\{([a-z][a-z0-9_]*)\}")


class Known(Authenticator):
    """An authenticator of the given keys, each with its tenant."""

    def __init__(self, **tenants: UUID) -> None:
        self._tenants = tenants

    async def authenticate(self, request: AuthRequest) -> AuthResponse:
        """Return the user of the key."""
        tenant_id = self._tenants.get(request.bearer or "")
        return NOT_MY_KIND if tenant_id is None else AuthResponse(Identity(PrincipalType.USER, "u", tenant_id))


class Lookup:
    """Finds the two tenants, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def by_id(self, tenant_id: UUID) -> Tenant | None:
        """Find a tenant."""
        self.asked += 1
        return Tenant(tenant_id, SLUGS[tenant_id], "T") if tenant_id in SLUGS else None

    async def by_slug(self, slug: str) -> Tenant | None:
        """Find a tenant."""
        self.asked += 1
        return next((Tenant(key, slug, "T") for key, value in SLUGS.items() if value == slug), None)


class Server:
    """The routes behind a guard with one rule, which asks for a key of its own."""

    def __init__(
        self,
        routes: Sequence[RestRoute],
        rule: str,
        route: RestRoute | None = None,
        checks: tuple[Checks, Checks] | None = None,
    ) -> None:
        known = Known(**{USUAL_KEY: TENANT, OTHER_KEY: OTHER_TENANT}), Known(**{RULE_KEY: TENANT})
        usual, special = checks or [Checks([(f"{each}", each)], NoopAuthorizer()) for each in known]
        self.lookup = Lookup()
        stack = AuthStack(usual, [(compiled(rule), special)])
        admission = Admission(
            stack, CallObservers([], SystemClock()), CallCaps(Limits()), CallMeter(MetricsRegistry(counts=False).server)
        )
        guard = RestGuard(admission, self.lookup, _no_repeats(), _no_sessions())
        stubs = [_stub(each, REACHED if route is None or each is route else ELSEWHERE) for each in routes]
        self._app = build_app(
            stubs, guard, Health(BuildInfo("test", "1", "3.11", "", ()), _ready), Pages({}, Browsers())
        )

    async def status(self, method: str, raw: str, key: str | None) -> int:
        """Return the status of a request whose path is spelled like this on the wire."""
        headers = [(b"host", b"h")] + ([(b"authorization", f"Bearer {key}".encode())] if key else [])
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": unquote(raw), "raw_path": raw.encode(), "query_string": b"", "root_path": "", "headers": headers,
            "client": ("192.0.2.1", 1), "server": ("h", 80),
        }  # fmt: skip
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(event: Any) -> None:
            sent.append(event)

        await self._app(scope, receive, send)
        return int(sent[0]["status"])


def _no_repeats() -> Any:
    """Stand for what stores answers: the stubs below take no keys."""
    return None


def _no_sessions() -> BrowserCalls:
    """Stand for the sessions of browsers: the requests below have no cookies."""
    none: Any = None
    return BrowserCalls(none, Browsers())


async def _ready() -> dict[str, str | None]:
    return {}


def _stub(route: RestRoute, status: int) -> RestRoute:
    async def reached(_request: Any, _response: Any, **_parameters: str) -> None:
        pass

    kept: dict[str, Any] = {"request_model": None, "query_model": None, "repeat": Repeat.READS}
    return replace(route, handler=reached, status=status, **kept)


@pytest.fixture(scope="module")
def routes(databases: Databases) -> list[RestRoute]:
    """All routes of the server and of the plugins."""

    async def made(database: str) -> list[RestRoute]:
        plugins = [AuditLogPlugin, HelloWorldPlugin, WorkerTokenPlugin]
        async with running_server(database, plugins, WORKER_TOKEN_SECRET="s" * 32) as client:
            return client.routes

    with databases.migrated() as url:
        return asyncio.run(made(url))


def _of_tenants(routes: Sequence[RestRoute]) -> list[RestRoute]:
    """Return the guarded routes that concern the tenant of the caller, or of the path."""
    return [route for route in routes if route.scope is not Scope.SERVER and not route.is_open]


ID = UUID("0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d")
ODD = "a/b %2F*é"
"""The parameters of paths: an id, and a text with everything that means something in a path."""


def _spellings(text: str) -> list[str]:
    """Return how a segment can be written that means a text."""
    try:
        known = UUID(text)
    except ValueError:
        texts = [text]
    else:
        texts = [str(known), str(known).upper(), known.hex, known.hex.upper(), f"{{{known}}}", f"urn:uuid:{known}"]
    every = ["".join(f"%{byte:02x}" for byte in each.encode()) for each in texts]
    return [*(quote(each, safe="") for each in texts), *every, *(each.upper() for each in every)]


def _tenant_spellings(tenant_id: UUID) -> list[str]:
    return [*_spellings(SLUGS[tenant_id]), *_spellings(str(tenant_id))]


@st.composite
def _written(draw: st.DrawFn, path: str, tenant_id: UUID, values: Mapping[str, str]) -> str:
    """Write a path of a route in one of the ways that it can be written in."""

    def filled(match: re.Match[str]) -> str:
        if match[1] == "slug":
            return draw(st.sampled_from(_tenant_spellings(tenant_id)))
        return draw(st.sampled_from(_spellings(values[match[1]])))

    return _PARAMETER.sub(filled, path)


@st.composite
def _cases(draw: st.DrawFn, routes: Sequence[RestRoute]) -> tuple[RestRoute, str, str, str]:
    """Return a route, the path of a rule about it, and two spellings of a request: for the rule's tenant, for another."""
    route = draw(st.sampled_from(routes))
    paths = [route.path, *route.aliases]
    named = {name for path in paths for name in _PARAMETER.findall(path)}
    values = {name: draw(st.sampled_from([str(ID), ODD])) for name in sorted(named)}
    written = partial(_written, values=values)
    rule_path, path = draw(st.sampled_from(paths)), draw(st.sampled_from(paths))
    rule = draw(written(rule_path, TENANT))
    if draw(st.booleans()):  # stars in the place of parameters, and at the end
        rule = draw(written(re.sub(r"\{(?!slug)[a-z0-9_]+\}", "*", rule_path), TENANT))
        rule += draw(st.sampled_from(["", "/**"]))
    rule = re.sub(r"(?<=/)\*\*$", "**", rule)
    slashes = draw(st.sampled_from(["", "", "/", "//"]))
    return route, rule, slashes + draw(written(path, TENANT)), slashes + draw(written(path, OTHER_TENANT))


def test_a_rule_means_the_same_at_every_path_and_spelling(routes: list[RestRoute]) -> None:
    """The tenant's usual key is refused, the rule's is not; another tenant is concerned only where the rule names none."""

    @settings(max_examples=times(120, 5000), deadline=None)
    @given(_cases(_of_tenants(routes)))
    def check(case: tuple[RestRoute, str, str, str]) -> None:
        route, rule, mine, others = case
        server = Server(routes, rule, route)

        async def ask() -> None:
            assert await server.status(route.method, mine, USUAL_KEY) == UNKNOWN
            assert await server.status(route.method, mine, RULE_KEY) == REACHED
            names_a_tenant = "{slug}" in next(path for path in (route.path, *route.aliases) if _is_of(rule, path))
            expected = REACHED if names_a_tenant else UNKNOWN
            assert await server.status(route.method, others, OTHER_KEY) == expected

        asyncio.run(ask())

    check()


def _is_of(rule: str, path: str) -> bool:
    """Whether a rule was made of a path: their fixed segments are the same ones."""
    ruled, fixed = rule.removesuffix("/**").split("/"), path.split("/")
    pairs = zip(ruled, fixed, strict=False)
    return len(ruled) == len(fixed) and all("{" in own or own == said for said, own in pairs)


@st.composite
def _twisted(draw: st.DrawFn, path: str) -> str:
    """Change a path in ways that some servers undo: dots, doubled and trailing slashes, encoded characters."""
    segments = path.split("/")
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(segments)))
        twist = draw(
            st.sampled_from([[""], ["."], ["x", ".."], ["%2e"], ["x", "%2E%2e"], ["%2F"], ["x%2f.."], ["%00"]])
        )
        segments[place:place] = twist
    return "/" + "/".join(segments)


def test_no_twisted_path_leads_around_a_rule(routes: list[RestRoute]) -> None:
    """A path with dots or empty segments is either another route's, or refused like the plain one."""
    rules = "/api/v1/tenants/test/**"
    server = Server(routes, rules)

    @settings(max_examples=times(1000, 50_000), deadline=None)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        route = data.draw(st.sampled_from([each for each in _of_tenants(routes) if each.path.startswith(CANONICAL)]))
        path = data.draw(st.sampled_from([route.path, *route.aliases]))
        values = dict.fromkeys(_PARAMETER.findall(path), str(ID))
        twisted = data.draw(_twisted(data.draw(_written(path, TENANT, values))))
        assert asyncio.run(server.status(route.method, twisted, USUAL_KEY)) not in {REACHED, 500}

    check()


@pytest.mark.parametrize("path", ["/api/v1/tenants/test/workflow-definitions/", "/api/orgs/test/workflow-definitions/"])
def test_a_star_is_met_by_an_empty_segment(routes: list[RestRoute], path: str) -> None:
    """The router finds the route with an empty parameter, so the rule must, too."""
    server = Server(routes, "/api/v1/tenants/test/workflow-definitions/*")
    assert asyncio.run(server.status("GET", path, USUAL_KEY)) == UNKNOWN
    assert asyncio.run(server.status("GET", path, RULE_KEY)) == REACHED


def test_a_caller_without_credentials_does_not_learn_which_tenants_exist(routes: list[RestRoute]) -> None:
    """All answers are the same, and none of them takes a look-up; callers of another tenant cannot tell either."""
    server = Server(routes, "/api/v1/tenants/test/**")
    others = ["test", str(TENANT), TENANT.hex, "absent", str(ID), ""]

    async def asked(key: str | None, *tenants: str) -> set[int]:
        return {await server.status("GET", f"/api/orgs/{each}/workers", key) for each in tenants}

    own = ["other", str(OTHER_TENANT)]
    assert asyncio.run(asked(None, *others, *own)) == asyncio.run(asked("a guess", *others, *own)) == {UNKNOWN}
    assert server.lookup.asked == 0
    assert asyncio.run(asked(OTHER_KEY, *others)) == {404}
    assert asyncio.run(asked(OTHER_KEY, *own)) == {REACHED}


def test_an_open_tenant_does_not_show_which_others_exist(routes: list[RestRoute]) -> None:
    """A rule without authenticators opens its own tenant alone; at all others credentials are asked for."""
    usual = Checks([("usual", Known(**{USUAL_KEY: TENANT}))], NoopAuthorizer())
    server = Server(routes, "/api/v1/tenants/test/**", checks=(usual, Checks([], NoopAuthorizer())))

    async def asked(tenant: str) -> int:
        return await server.status("GET", f"/api/orgs/{tenant}/workers", None)

    assert asyncio.run(asked("test")) == asyncio.run(asked(TENANT.hex)) == REACHED
    for tenant in ("other", str(OTHER_TENANT), "absent", str(ID)):
        assert asyncio.run(asked(tenant)) == UNKNOWN


async def test_a_method_has_one_spelling(database: str) -> None:
    """A rule about a gRPC method counts for it, and no other spelling of the method reaches a handler."""
    rules = [{"path": "/flovyn.v1.TaskExecution/*", "authenticators": []}, {"path": "/**", "authorizer": "roles"}]
    config = {**CONFIG, "auth": {**CONFIG["auth"], "endpoints": {"grpc": {"rules": rules}}}}
    async with running_server(database, config=config) as client:
        request = task_pb2.PollTaskRequest(tenant_id=str(TENANT), worker_id="w")
        await client.tasks.PollTask(request)
        for path in (
            "//flovyn.v1.TaskExecution/PollTask",
            "/flovyn.v1.TaskExecution//PollTask",
            "/flovyn.v1.TaskExecution/PollTask/",
            "/flovyn.v1.TaskExecution/Poll%54ask",
            "/flovyn.v1.TaskExecution/polltask",
            "/flovyn.v1.TaskExecution/../flovyn.v1.TaskExecution/PollTask",
        ):
            call: Any = client.channel.unary_unary(path)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(request.SerializeToString(), timeout=10)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
