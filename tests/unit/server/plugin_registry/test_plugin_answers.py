"""Nonsense from a plugin's hooks: refused before anything is served, with the plugin, the hook and the reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from core.auth import Action
from core.build_info import BuildInfo, PluginInfo
from core.endpoints import ALIAS_PREFIXES, GrpcMethod, GrpcService, RestRoute
from core.errors import PluginError
from core.openapi import OpenApiFragment
from core.plugin import Plugin
from core.settings import ConfigSection
from editions.tools.describe_plugin import describe, services
from editions.tools.describe_server import describe as describe_server
from editions.tools.write_edition import refuse_clashes
from plugins.hello_world import greeting_pb2
from server.boot.edition import Edition
from server.boot.preparation import load_plugins
from server.config.load import Sources
from server.plugin_registry import PluginRegistry

SERVICE = greeting_pb2.DESCRIPTOR.services_by_name["GreetingService"]
TENANTS = ALIAS_PREFIXES[2]


class Model(BaseModel):
    """Settings, a body, anything."""

    dsn: str = ""


async def _handler(_request: Any, _response: Any, **_parameters: Any) -> None:
    """Do nothing."""


async def _without_parameters(_request: Any, _response: Any) -> None:
    """Do nothing, and know no parameter."""


def _returns(answer: object) -> Callable[..., object]:
    return lambda *_arguments: answer


def _raises(*_arguments: object) -> object:
    raise ZeroDivisionError("division")


def _route(**changes: Any) -> RestRoute:
    return replace(RestRoute("GET", "/a", _handler, Action.VIEW, "x", "S"), **changes)


def _plugin(**members: Any) -> type[Plugin]:
    return type("Odd", (Plugin,), {"name": "hello-world", "version": "1", **members})


def _start(plugin: Plugin) -> None:
    """Ask for all that a start asks for, in its order."""
    registry = PluginRegistry()
    registry.register(plugin)
    registry.load_settings(Sources({}, {}))
    names = registry.authenticator_names()
    registry.default_authenticators()
    registry.owners()
    registry.setup(lambda plugin, settings: replace(services(plugin), settings=settings))
    registry.check(describe_server())
    registry.collect_authenticators(names)
    registry.collect_authorizers(registry.authorizer_names())
    registry.observers()
    registry.background_services()
    registry.token_issuer()


ROUTES = [
    {"path": None},
    {"path": "/a/{request}"},
    {"path": "/a/{self}"},
    {"path": "/a/{id}/{id}"},
    {"path": "/a/{id}", "handler": _without_parameters},
    {"method": None},
    {"method": ["GET"]},
    {"aliases": "/api/tenants/{slug}/a"},
    {"aliases": (5,)},
    {"action": "VIEW"},
    {"scope": "server"},
    {"status": "abc"},
    {"status": 199},
    {"status": 300},
    {"status": 404},
    {"status": True},
    {"more_statuses": (199,)},
    {"more_statuses": (201, 300)},
    {"more_statuses": (500,)},
    {"produces": "text/plain"},
    {"request_model": dict},
    {"query_model": Model()},
    {"response_model": "Model"},
    {"resource": ""},
    {"resource_id": None},
]


@pytest.mark.parametrize("changes", ROUTES, ids=str)
def test_a_route_of_the_wrong_types_is_refused(changes: dict[str, Any]) -> None:
    """A scope that is a text would be none of the guard's: such a route must never be served, not even to operators."""
    routes = [_route(**changes)]
    with pytest.raises(PluginError, match="'hello-world': rest_routes failed: route "):
        _start(_plugin(rest_routes=_returns(routes))())


def test_a_route_may_have_any_status_of_a_success() -> None:
    """From 200 to 299, both included."""
    routes = [_route(status=200, more_statuses=(299,)), _route(path="/b", status=299, more_statuses=(200,))]
    _start(_plugin(rest_routes=_returns(routes))())


METHOD = GrpcMethod(_handler, Action.VIEW, "x")

METHODS: list[Any] = [
    None,
    {"Greet": _handler},
    {"No": METHOD},
    {"Greet": replace(METHOD, scope="server")},  # type: ignore[arg-type]
    {"Greet": replace(METHOD, action="view")},  # type: ignore[arg-type]
]


def _each(hook: str, *answers: Any) -> list[tuple[str, Any]]:
    return [(hook, answer) for answer in answers]


ANSWERS: list[tuple[str, Any]] = [
    *_each("authenticator_names", None, 5, "abc", ["Capital"], [[]], [5]),
    *_each("authorizer_names", None, "abc", {"a": 1}),
    *_each("default_authenticators", None, "abc", ["unknown"]),
    *_each("config", {"a": 1}, ConfigSection, ConfigSection(dict), ConfigSection(None)),  # type: ignore[arg-type]
    ("config", ConfigSection(Model, "auth.x")),  # type: ignore[arg-type]
    ("config", ConfigSection(Model, ("plugins",))),
    ("config", ConfigSection(Model, (), None)),  # type: ignore[arg-type]
    ("config", ConfigSection(Model, (), {"OLD": "no_field"})),
    ("rest_routes", [_route(path="/a/{id}"), _route(path="/a/{other}/b")]),
    ("rest_routes", [_route(path="/api/v1/a")]),
    *_each("grpc_services", *([GrpcService(SERVICE, each)] for each in METHODS)),
    ("grpc_services", [GrpcService(SERVICE, {"Greet": replace(METHOD, action="VIEW")})]),  # type: ignore[arg-type]
    ("grpc_services", [GrpcService("flovyn.plugins.hello_world.v1.S", {})]),
    *_each("openapi", 5, OpenApiFragment(operations=None), OpenApiFragment(schemas={"A": 5})),  # type: ignore[arg-type,dict-item]
    ("openapi", OpenApiFragment(operations={"GET /zzz": {}})),
    *_each("migrations", None, ["x"]),
    ("token_issuer", 5),
    ("observers", iter(())),
    ("background_services", [object()]),
]


@pytest.mark.parametrize(("hook", "answer"), ANSWERS, ids=str)
def test_an_answer_that_is_nonsense_names_plugin_and_hook(hook: str, answer: object) -> None:
    """Never a bare traceback, and never a server that started with it."""
    with pytest.raises(PluginError, match=rf"'hello-world': {hook}"):
        _start(_plugin(**{hook: _returns(answer)})())


@pytest.mark.parametrize("made", [None, ["mine"], {"mine": object()}])
@pytest.mark.parametrize(
    ("names", "hook"), [("authenticator_names", "authenticators"), ("authorizer_names", "authorizers")]
)
def test_an_announced_contribution_is_brought(names: str, hook: str, made: object) -> None:
    """By name, and of the right kind."""
    with pytest.raises(PluginError, match=rf"'hello-world': {hook}"):
        _start(_plugin(**{names: _returns(["mine"]), hook: _returns(made)})())


@pytest.mark.parametrize(
    "members",
    [
        {"name": property(_raises)},
        {"name": 5},
        {"name": "Bad"},
        {"version": None},
        {"version": 7},
        {"version": property(_raises)},
    ],
    ids=str,
)
def test_a_plugin_without_a_name_or_a_version_is_refused(members: dict[str, Any]) -> None:
    """The class, or the bad name, is in the message."""
    with pytest.raises(PluginError, match=r"Odd|Bad"):
        _start(_plugin(**members)())


def test_a_plugin_that_cannot_be_made_is_named_by_its_line() -> None:
    """The start ends with one message, not with a traceback."""
    info = BuildInfo("test", "0", "3.11", "", (PluginInfo("hello-world", "1"),))
    edition = Edition(info, lambda: [_plugin(__init__=_raises)()])
    with pytest.raises(PluginError, match=r"cannot be made: ZeroDivisionError: division \(.*test_plugin_answers.py:"):
        load_plugins(edition, Sources({}, {}))


CLAIMS = [
    {"rest_routes": _returns([_route(aliases=(TENANTS + "task-definitions/greet",))])},
    {"rest_routes": _returns([_route(method="POST", aliases=(TENANTS + "task-definitions/greet",))])},
    {"rest_routes": _returns([_route(path="/a/{which}", aliases=(TENANTS + "task-executions/{which}",))])},
    {"rest_routes": _returns([_route(path="/a/{which}", aliases=(TENANTS + "task-executions/{which}/more",))])},
    {"config": _returns(ConfigSection(Model, (), {"DATABASE_URL": "dsn"}))},
    {"config": _returns(ConfigSection(Model, (), {"FLOVYN_DATABASE__POOL_SIZE": "dsn"}))},
    {"config": _returns(ConfigSection(Model, (), {"config_file": "dsn"}))},
    {"config": _returns(ConfigSection(Model, ("auth",)))},
    {"config": _returns(ConfigSection(Model, ("auth.static_api_key",)))},
    {"config": _returns(ConfigSection(Model, ("auth.static_api_key.keys",)))},
    {"config": _returns(ConfigSection(Model, ("tenants",)))},
]


@pytest.mark.parametrize("members", CLAIMS)
def test_names_of_the_server_belong_to_no_plugin(members: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A route that would take over calls of the server's, and settings of its, are refused by the start and the build."""
    made = _plugin(**members)
    with pytest.raises(PluginError, match="plugins clash") as caught:
        _start(made())
    assert "the server" in str(caught.value)
    assert "hello-world" in str(caught.value)
    monkeypatch.setitem(globals(), "Odd", made)
    found = {"name": "hello-world", "objects": [], "contributions": describe(f"{__name__}:Odd").as_json()}
    with pytest.raises(ValueError, match="plugins clash"):
        refuse_clashes([found], describe_server())


@pytest.mark.parametrize(
    "members",
    [
        {"rest_routes": _returns([_route(path="/a/{id}"), _route(path="/a/id"), _route(path="/a/{id}/b")])},
        {"rest_routes": _returns([_route(aliases=(TENANTS + "greetings",))])},
        {"config": _returns(ConfigSection(Model, ("auth.hello",), {"HELLO_DSN": "dsn"}))},
    ],
)
def test_names_of_its_own_pass(members: dict[str, Any]) -> None:
    """Literals beside parameters of one plugin, aliases and older tables that no plugin has."""
    _start(_plugin(**members)())
