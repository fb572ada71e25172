"""Hooks that raise, exit, or take too long: the error names the plugin and the hook, and other plugins go on."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from typing import Any

import pytest

from core.clock import Clock
from core.errors import PluginError
from core.plugin import Plugin
from core.plugin_services import PluginServices
from core.service import Service
from editions.tools.describe_plugin import services
from server.plugin_checks.contributions import RESERVED
from server.plugin_checks.hooks import ask
from server.plugin_registry import PluginRegistry

WAIT_S = 20


def _registry(*plugins: Plugin) -> PluginRegistry:
    registry = PluginRegistry()
    for plugin in plugins:
        registry.register(plugin)
    registry.setup(lambda plugin, _settings: services(plugin))
    return registry


def _named(name: str, **hooks: Any) -> Plugin:
    plugin: Plugin = type("Misbehaving", (Plugin,), {"name": name, "version": "1", **hooks})()
    return plugin


def test_a_hook_that_returns_late_refuses_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is reported while it still runs, and its answer is not used."""
    monkeypatch.setattr("core.plugin.HOOK_TIMEOUT_S", 0.05)
    reported = threading.Event()
    messages: list[str] = []

    def report(message: str) -> None:
        messages.append(message)
        reported.set()

    with pytest.raises(PluginError, match=r"'stuck': rest_routes did not return within 0\.05 s") as caught:
        ask("stuck", "rest_routes", lambda: reported.wait(WAIT_S), report)
    assert messages == [str(caught.value)]


def test_a_hook_that_has_not_returned_in_time_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An operator reads which plugin the start waits for, before the hook returns."""
    monkeypatch.setattr("core.plugin.HOOK_TIMEOUT_S", 0.05)
    logged = threading.Event()

    def note(_record: logging.LogRecord) -> bool:
        logged.set()
        return True

    caplog.handler.addFilter(note)
    with pytest.raises(PluginError):
        _registry(_named("stuck", rest_routes=lambda _self: logged.wait(WAIT_S))).check(RESERVED)
    assert logged.is_set()
    assert "plugin 'stuck': rest_routes did not return within 0.05 s" in caplog.text


def test_setup_comes_before_what_needs_the_services() -> None:
    """Every hook may use what ``setup`` has stored."""

    def setup(self: Any, services: PluginServices) -> None:
        self.clock = services.clock

    def background_services(self: Any) -> list[Service]:
        used.append(self.clock)
        return []

    used: list[Clock] = []
    registry = _registry(_named("ready", setup=setup, background_services=background_services))
    assert registry.background_services() == []
    assert len(used) == 1


@pytest.mark.parametrize("error", [SystemExit(0), KeyboardInterrupt(), asyncio.CancelledError()], ids=repr)
async def test_a_hook_that_exits_is_a_hook_that_failed(error: BaseException) -> None:
    """A SystemExit ends the start with the plugin's name, not the process without a word."""

    def raises(*_arguments: object) -> None:
        raise error

    async def on_startup(_self: Plugin) -> None:
        raises()

    with pytest.raises(PluginError, match=f"'exits': rest_routes failed: {type(error).__name__}"):
        _registry(_named("exits", rest_routes=raises)).check(RESERVED)
    with pytest.raises(PluginError, match=f"'exits': on_startup failed: {type(error).__name__}"):
        await _registry(_named("exits", on_startup=on_startup)).startup()


async def test_a_start_hook_that_swallows_its_cancellation_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The start ends with its name all the same."""
    monkeypatch.setattr("core.plugin.HOOK_TIMEOUT_S", 0.05)
    released = asyncio.Event()

    async def on_startup(_self: Plugin) -> None:
        while not released.is_set():
            with suppress(asyncio.CancelledError):
                await released.wait()

    with pytest.raises(PluginError, match="'stuck': on_startup did not return within"):
        await _registry(_named("stuck", on_startup=on_startup)).startup()
    released.set()


async def test_a_slow_shutdown_leaves_time_for_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """All hooks share the time; a hook that uses up its part is named, and the next one runs."""
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
