"""The set of plugins: what is refused, and who is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from core.auth import Action
from core.build_info import BuildInfo
from core.clock import SystemClock
from core.endpoints import RestRoute
from core.errors import ConfigError, PluginError
from core.migration import PluginMigration
from core.plugin import Plugin
from core.plugin_services import PluginServices
from core.settings import ConfigSection
from server.config.load import Sources
from server.plugin_registry import PluginRegistry


async def _handler(**_parameters: Any) -> None:
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

    def rest_routes(self, services: PluginServices) -> Sequence[RestRoute]:
        """Offer one route."""
        return [RestRoute("GET", self.path, _handler, Action.VIEW, "item", "Get")]


def _registry(
    *plugins: Plugin, file: dict[str, Any] | None = None, environ: dict[str, str] | None = None
) -> PluginRegistry:
    registry = PluginRegistry()
    for plugin in plugins:
        registry.register(plugin)
    registry.load_settings(Sources(file or {}, environ or {}))
    missing: Any = None
    registry.lend(missing, SystemClock(), missing, BuildInfo("test", "0", "3.11", ""))
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


def test_what_is_no_plugin_is_refused() -> None:
    """An object of another class is named."""
    nonsense: Any = object()
    with pytest.raises(PluginError, match="is not a plugin"):
        _registry(nonsense)


def test_routes_appear_below_the_plugins_place() -> None:
    """Relative paths are mounted at /api/v1/p/<name>."""
    assert [route.path for route in _registry(Sample()).build_rest_router()] == ["/api/v1/p/sample-one/items/{id}"]


@pytest.mark.parametrize("path", ["", "items", "/", "//items", "/../x", "/a/../../x", "/./a", "/a/", "http://x/a"])
def test_a_route_cannot_leave_the_plugins_place(path: str) -> None:
    """Paths that would land elsewhere are refused with the plugin's name."""
    plugin = Sample()
    plugin.path = path
    with pytest.raises(PluginError, match="sample-one"):
        _registry(plugin).build_rest_router()


def test_settings_come_from_four_places_strongest_last() -> None:
    """Older table, own table, older variable, own variable."""
    file = {"auth": {"old": {"secret": "1", "size": 1}}, "plugins": {"sample_one": {"size": 2}}}
    environ = {"OLD_SECRET": "3", "PLUGINS__SAMPLE_ONE__SIZE": "4"}
    settings: Any = _registry(Sample(), file=file, environ=environ)._services["sample-one"].settings
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
    registry.build_rest_router()


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

        async def on_startup(self, services: PluginServices) -> None:
            raise RuntimeError("no")

    registry = _registry(First(), Second(), Third())
    with pytest.raises(PluginError, match="'c': on_startup failed"):
        await registry.startup()
    await registry.shutdown()
    await registry.shutdown()
    assert calls == ["b down", "a down"]
