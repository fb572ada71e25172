"""Hooks that do not behave: they end, they are named, and they take nothing else with them."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Any

import pytest

from core.errors import PluginError
from core.plugin import Plugin
from core.plugin_services import PluginServices
from editions.tools.describe_plugin import services
from server.plugin_checks.contributions import RESERVED
from server.plugin_registry import PluginRegistry


def _registry(*plugins: Plugin) -> PluginRegistry:
    registry = PluginRegistry()
    for plugin in plugins:
        registry.register(plugin)
    registry.lend(lambda plugin, _settings: services(plugin))
    return registry


def _named(name: str, **hooks: Any) -> Plugin:
    plugin: Plugin = type("Misbehaving", (Plugin,), {"name": name, "version": "1", **hooks})()
    return plugin


def test_a_hook_that_swallows_every_error_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither ``except Exception`` in a loop nor a wait in ``finally`` makes the start hang."""
    monkeypatch.setattr("core.plugin.HOOK_TIMEOUT_S", 0.05)
    monkeypatch.setattr("server.plugin_registry.hooks.GRACE_S", 0.05)

    def rest_routes(_self: Plugin, _services: PluginServices) -> None:
        try:
            while True:
                with suppress(Exception):
                    threading.Event().wait()
        finally:
            threading.Event().wait()

    with pytest.raises(PluginError, match="'stuck': rest_routes did not return within"):
        _registry(_named("stuck", rest_routes=rest_routes)).check(RESERVED)


@pytest.mark.parametrize("error", [SystemExit(0), KeyboardInterrupt(), asyncio.CancelledError()], ids=repr)
async def test_a_hook_that_exits_is_a_hook_that_failed(error: BaseException) -> None:
    """What ends programs ends the start with the plugin's name, not the process without a word."""

    def raises(*_arguments: object) -> None:
        raise error

    async def on_startup(_self: Plugin, _services: PluginServices) -> None:
        raises()

    with pytest.raises(PluginError, match=f"'exits': rest_routes failed: {type(error).__name__}"):
        _registry(_named("exits", rest_routes=raises)).check(RESERVED)
    with pytest.raises(PluginError, match=f"'exits': on_startup failed: {type(error).__name__}"):
        await _registry(_named("exits", on_startup=on_startup)).startup()


async def test_a_start_hook_that_swallows_its_cancellation_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The start ends with its name all the same."""
    monkeypatch.setattr("core.plugin.HOOK_TIMEOUT_S", 0.05)
    monkeypatch.setattr("server.plugin_registry.hooks.GRACE_S", 0.05)
    released = asyncio.Event()

    async def on_startup(_self: Plugin, _services: PluginServices) -> None:
        while not released.is_set():
            with suppress(asyncio.CancelledError):
                await released.wait()

    with pytest.raises(PluginError, match="'stuck': on_startup did not return within"):
        await _registry(_named("stuck", on_startup=on_startup)).startup()
    released.set()


async def test_a_slow_shutdown_leaves_time_for_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """All hooks share the time; whoever uses up its part is named, and the next one runs."""
    ended = False

    async def slow(_self: Plugin) -> None:
        await asyncio.Event().wait()

    async def quick(_self: Plugin) -> None:
        nonlocal ended
        ended = True

    registry = _registry(_named("a-quick", on_shutdown=quick), _named("b-slow", on_shutdown=slow))
    await registry.startup()
    await asyncio.wait_for(registry.shutdown(within=0.2), 5)
    assert ended
    assert "'b-slow': on_shutdown did not return within 0.1 s" in caplog.text
