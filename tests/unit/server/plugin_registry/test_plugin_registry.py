"""The set of plugins: what is refused, and who is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from core.auth import Action
from core.endpoints import RestRoute
from core.errors import ConfigError, PluginError
from core.migration import PluginMigration
from core.plugin import Plugin
from core.plugin_services import PluginServices
from core.settings import ConfigSection
from editions.tools.describe_plugin import services
from server.config.load import Sources
from server.plugin_checks.contributions import RESERVED
from server.plugin_registry import PluginRegistry


async def _handler(*_arguments: Any, **_parameters: Any) -> None:
    """Do nothing."""


class Section(BaseModel):
    """Settings of ``Sample``."""

    secret: SecretStr | None = None
    size: int = 1


class Sample(Plugin):
    """A plugin with everything that these tests need."""

    name = "sample-one"
    version = "1"
    path = "/items/{id}"

    def config(self) -> ConfigSection:
        """Read the section, an older table and an older variable."""
        return ConfigSection(Section, ("auth.old",), {"OLD_SECRET": "secret"})

    def setup(self, services: PluginServices) -> None:
        """Keep the services."""
        self.services = services

    def rest_routes(self) -> Sequence[RestRoute]:
        """Offer one route."""
        return [RestRoute("GET", self.path, _handler, Action.VIEW, "item", "Get")]


def _registry(
    *plugins: Plugin, file: dict[str, Any] | None = None, environ: dict[str, str] | None = None
) -> PluginRegistry:
    registry = PluginRegistry()
    for plugin in plugins:
        registry.register(plugin)
    registry.load_settings(Sources(file or {}, environ or {}))
    registry.setup(lambda plugin, settings: replace(services(plugin), settings=settings))
    return registry


def test_plugins_are_sorted_by_name() -> None:
    """The order of the manifest never matters."""

    class Other(Plugin):
        name = "a"
        version = "1"

    assert [each.name for each in _registry(Sample(), Other()).plugins()] == ["a", "sample-one"]


def test_two_plugins_of_one_name_are_refused_with_both_classes() -> None:
    """The error names both sides."""

    class Twin(Sample):
        pass

    with pytest.raises(PluginError, match=r"sample-one.*Sample and .*Twin"):
        _registry(Sample(), Twin())


def test_a_class_that_is_no_plugin_is_refused() -> None:
    """An object of another class is named."""
    nonsense: Any = object()
    with pytest.raises(PluginError, match="is not a plugin"):
        _registry(nonsense)


def _routes(plugin: Plugin) -> list[RestRoute]:
    registry = _registry(plugin)
    registry.check(RESERVED)
    return registry.build_rest_router()


def test_routes_appear_below_the_plugins_place() -> None:
    """Relative paths are mounted at /api/v1/p/<name>."""
    assert [route.path for route in _routes(Sample())] == ["/api/v1/p/sample-one/items/{id}"]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "items",
        "/",
        "//items",
        "/../x",
        "/a/../../x",
        "/./a",
        "/a/",
        "http://x/a",
        "/a%2Fb",
        "/{a}{b}",
        "/{id:int}",
        "/{slug}/a",
        "/*",
        "/a b",
        "/a?b",
        "/.x",
    ],
)
def test_a_route_cannot_leave_the_plugins_place(path: str) -> None:
    """Paths that would land elsewhere, or mean more than they say, are refused with the plugin's name."""
    plugin = Sample()
    plugin.path = path
    with pytest.raises(PluginError, match="sample-one"):
        _routes(plugin)


def _sample(**changes: Any) -> Plugin:
    """Return a plugin whose one route has these changes."""

    class Changed(Sample):
        def rest_routes(self) -> Sequence[RestRoute]:
            return [replace(super().rest_routes()[0], **changes)]

    return Changed()


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "get"},
        {"method": "CONNECT"},
        {"summary": ""},
        {"handler": None},
        {"aliases": ("/api/v1/tenants",)},
        {"aliases": ("/api/v1/workflows/{id}",)},
        {"aliases": ("/api/tenants/{slug}/../x/{id}",)},
        {"aliases": ("/api/tenants/{slug}/items",)},
        {"aliases": ("/_/health",)},
    ],
)
def test_a_route_that_says_nonsense_is_refused(changes: dict[str, Any]) -> None:
    """Methods, summaries, handlers and aliases are checked before anything is served."""
    with pytest.raises(PluginError, match="sample-one"):
        _routes(_sample(**changes))


@pytest.mark.parametrize("answer", [None, "routes", 1, [1], {"a": 1}, [Sample]])
@pytest.mark.parametrize("hook", ["rest_routes", "grpc_services"])
def test_a_hook_that_returns_nonsense_is_named(hook: str, answer: object) -> None:
    """A wrong type is the plugin's mistake and not a traceback of the server's."""
    plugin = type("Odd", (Sample,), {hook: lambda _self: answer})()
    with pytest.raises(PluginError, match=rf"sample-one'.*{hook}"):
        _registry(plugin).check(RESERVED)


@pytest.mark.parametrize("hook", ["observers", "background_services"])
def test_the_services_of_a_process_have_the_right_type(hook: str) -> None:
    """Observers and services are checked when they are asked for."""
    registry = _registry(type("Odd", (Sample,), {hook: lambda _self: [object()]})())
    with pytest.raises(PluginError, match=rf"sample-one'.*{hook}"):
        getattr(registry, hook)()


@pytest.mark.parametrize(
    ("hook", "names"), [("authenticators", "authenticator_names"), ("authorizers", "authorizer_names")]
)
@pytest.mark.parametrize("made", [{}, {"mine": object()}])
def test_an_announced_contribution_must_be_there(hook: str, names: str, made: dict[str, object]) -> None:
    """A missing authenticator or authorizer refuses the start instead of leaving a gap."""
    members = {names: lambda _self: ["mine"], hook: lambda _self: made}
    registry = _registry(type("Odd", (Sample,), members)())
    with pytest.raises(PluginError, match=rf"sample-one'.*{hook}.*'mine'"):
        getattr(registry, f"collect_{hook}")(["mine"])


def _named(name: str, **members: Any) -> Plugin:
    plugin: Plugin = type(name.title(), (Plugin,), {"name": name, "version": "1", **members})()
    return plugin


def test_every_clash_is_told_with_both_sides() -> None:
    """Aliases that no request could tell apart, authenticators, sections and variables; the server is a side, too."""

    def aliased(path: str) -> Any:
        route = RestRoute("GET", "/x/{id}", _handler, Action.VIEW, "x", "X", aliases=(path,))
        return lambda _self: [route]

    one = _named(
        "one",
        rest_routes=aliased("/api/tenants/{slug}/things/{id}"),
        authenticator_names=lambda _self: ["both", "static_api_key"],
        config=lambda _self: ConfigSection(Section, ("auth.old",), {"OLD": "secret"}),
    )
    other = RestRoute("GET", "/x/{key}", _handler, Action.VIEW, "x", "X", aliases=("/api/tenants/{slug}/things/{key}",))
    two = _named(
        "two",
        rest_routes=lambda _self: [other],
        authenticator_names=lambda _self: ["both"],
        authorizer_names=lambda _self: ["roles"],
        config=lambda _self: ConfigSection(Section, ("auth.old", "database"), {"OLD": "secret"}),
    )
    with pytest.raises(PluginError) as caught:
        _registry(one, two).check(replace(RESERVED, sections=("database",)))
    assert str(caught.value).splitlines()[1:] == [
        "  authenticator both is claimed by one and by two",
        "  authenticator static_api_key is claimed by the server and by one",
        "  authorizer roles is claimed by the server and by two",
        "  route GET /api/tenants/{slug}/things/{key} is claimed by one and by two",
        "  section auth.old is claimed by one and by two",
        "  section database is claimed by the server and by two",
        "  variable OLD is claimed by one and by two",
    ]


def test_a_plugin_that_claims_something_twice_is_refused() -> None:
    """Two routes that differ in a parameter's name are one."""
    routes = [RestRoute("GET", path, _handler, Action.VIEW, "x", "X") for path in ("/a/{id}", "/a/{name}")]
    with pytest.raises(PluginError, match=r"'one': claims twice: route GET /api/v1/p/one/a/\{\}"):
        _registry(_named("one", rest_routes=lambda _self: routes)).check(RESERVED)


def test_a_start_that_declares_something_else_than_the_build_saw_is_refused() -> None:
    """An edition does what it says, or does not start."""
    registry = _registry(Sample())
    registry.check(RESERVED)
    seen = registry._declared["sample-one"].contributions.as_json()
    registry.check(RESERVED, {"sample-one": seen})
    with pytest.raises(PluginError, match="sample-one"):
        registry.check(RESERVED, {"sample-one": {**seen, "routes": []}})


def test_settings_come_from_four_places_strongest_last() -> None:
    """Older table, own table, older variable, own variable."""
    file = {"auth": {"old": {"secret": "1", "size": 1}}, "plugins": {"sample_one": {"size": 2}}}
    environ = {"OLD_SECRET": "3", "PLUGINS__SAMPLE_ONE__SIZE": "4"}
    plugin = Sample()
    _registry(plugin, file=file, environ=environ)
    settings: Any = plugin.services.settings
    assert (settings.size, settings.secret.get_secret_value()) == (4, "3")


def test_wrong_settings_are_reported_with_their_key() -> None:
    """Unknown keys get the nearest spelling, wrong values their variable; values stay hidden."""
    file = {"plugins": {"sample_one": {"sice": 2, "size": "hunter2"}}}
    with pytest.raises(ConfigError) as caught:
        _registry(Sample(), file=file)
    assert "plugins.sample_one.sice: there is no such setting; did you mean 'size'?" in str(caught.value)
    assert "PLUGINS__SAMPLE_ONE__SIZE" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def _boot(plugin: Plugin) -> None:
    registry = _registry(plugin)
    registry.owners()
    registry.check(RESERVED)


@pytest.mark.parametrize("hook", ["config", "rest_routes", "migrations"])
def test_a_hook_that_raises_is_named(hook: str) -> None:
    """The error says which plugin, which hook, and why."""

    def broken(_self: Plugin, *_arguments: object) -> Sequence[PluginMigration]:
        raise ZeroDivisionError("division")

    plugin = type("Broken", (Sample,), {hook: broken})()
    with pytest.raises(PluginError, match=rf"sample-one': {hook} failed: ZeroDivisionError: division"):
        _boot(plugin)


async def test_shutdown_reaches_every_started_plugin() -> None:
    """A hook that fails on the way down does not keep the others from theirs; a failed start is undone."""
    calls: list[str] = []

    class First(Plugin):
        name = "a"
        version = "1"

        async def on_shutdown(self) -> None:
            calls.append("a down")

    class Second(First):
        name = "b"

        async def on_shutdown(self) -> None:
            calls.append("b down")
            raise RuntimeError

    class Third(First):
        name = "c"

        async def on_startup(self) -> None:
            raise RuntimeError("no")

    registry = _registry(First(), Second(), Third())
    with pytest.raises(PluginError, match="'c': on_startup failed"):
        await registry.startup()
    await registry.shutdown(5)
    await registry.shutdown(5)
    assert calls == ["b down", "a down"]
