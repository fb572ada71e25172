"""Asks a plugin what it declares (routes, RPCs, names) and writes it down, so that an edition can be checked as a set.

This imports the plugin, with nothing on the path but its own sources, core and the wheels that it declares: a
dependency that the target forgot shows here, at build time. Its hooks get services without anything behind them and
settings with their defaults; a plugin whose declarations need more than that is refused. So is one whose part of the
OpenAPI document cannot be made.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from pydantic import BaseModel

from core import plugin as api
from core.build_info import BuildInfo
from core.clock import SystemClock
from core.errors import FlovynError, PluginError
from core.migration import check_plugin_name
from core.plugin import Plugin
from core.plugin_services import PluginServices
from editions.tools.layout import place
from server.plugin_checks import answers
from server.plugin_checks.contributions import Contributions, declared, migrations_of
from server.rest_api import openapi

Answer = TypeVar("Answer")


class Nothing:
    """Stands for a service that a declaring hook may keep, and must not use."""

    def __getattr__(self, name: str) -> Any:
        """Refuse.

        Raises:
            PluginError: always.
        """
        if name.startswith("__"):
            raise AttributeError(name)
        raise PluginError(f"what a plugin declares must not need the running server, but {name!r} was used")


class AnyMetrics:
    """Metrics may be made by a hook that declares; nothing is counted."""

    def counter(self, *_arguments: object, **_more: object) -> Any:
        """Return what counts nothing."""
        return Nothing()

    gauge = histogram = counter


def services(plugin: Plugin) -> PluginServices:
    """Return services with nothing behind them, and the plugin's settings with their defaults."""
    section = answers.section(plugin.config())
    nothing: Any = Nothing()
    return PluginServices(
        database=nothing,
        clock=SystemClock(),
        tenants=nothing,
        workflows=nothing,
        tasks=nothing,
        promises=nothing,
        settings=None if section is None else section.model.model_construct(),
        build_info=BuildInfo("build", "0", "", ""),
        logger=logging.getLogger(plugin.name),
        metrics=AnyMetrics(),
        exclusively=lambda _work: nothing,
        leading=lambda: nothing,
    )


@contextmanager
def importable(sources: Sequence[str], imports: list[str], wheels: list[str]) -> Iterator[None]:
    """Put the sources, laid out as their imports want it, and the wheels on the path."""
    with tempfile.TemporaryDirectory() as folder:
        for entry in sources:
            short_path, _, path = entry.partition("=")
            target = Path(folder, place(short_path, imports))
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                target.symlink_to(Path(path).resolve())
        before = list(sys.path)
        sys.path[:0] = [folder, *(os.fspath(Path(wheel, "site-packages").resolve()) for wheel in wheels)]
        try:
            yield
        finally:
            sys.path[:] = before


def describe(entry: str) -> Contributions:
    """Import the plugin and return what it declares.

    Raises:
        PluginError: it cannot be imported, a hook fails, or it reaches outside of its own names.
    """
    module, _, name = entry.partition(":")
    made = f"{module} cannot be imported, or its {name} cannot be made"

    def make() -> Plugin:
        plugin: Plugin = getattr(importlib.import_module(module), name)()
        check_plugin_name(plugin.name)
        return plugin

    plugin = _limited(made, make)

    def ask(hook: str, call: Callable[[], Answer]) -> Answer:
        return _limited(f"plugin {plugin.name!r}: {hook} failed", call)

    found = declared(plugin, ask("config", lambda: services(plugin)), ask)
    migrations_of(plugin, ask)
    for route in found.routes:
        models = (route.request_model, route.query_model, route.response_model)
        ask(f"rest_routes: a model of {route.method} {route.path}", partial(_build, *models))
    ask("openapi", lambda: openapi.part(plugin.name, found.routes, found.fragment))
    return found.contributions


def _build(*models: type[BaseModel] | None) -> None:
    """Build the validators of pydantic's models: a wrong annotation shows here, and not when a command reads settings.

    Raises:
        PydanticUserError: an annotation names nothing, or a type that cannot be validated.
    """
    for model in models:
        if model is not None:
            model.model_rebuild(force=True)


def _limited(failure: str, call: Callable[[], Answer]) -> Answer:
    """Return what the plugin's code answers; one that does not return ends the program, whatever it catches.

    Raises:
        PluginError: it raised, or wants the program to end.
    """

    def late(_number: int, _frame: FrameType | None) -> None:
        print(f"{failure}: it did not return within {api.HOOK_TIMEOUT_S} s", file=sys.stderr, flush=True)
        os._exit(1)

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, api.HOOK_TIMEOUT_S)
    try:
        return call()
    except FlovynError as error:
        raise PluginError(f"{failure}: {error}") from error
    except BaseException as error:  # SystemExit of a plugin must not pass for a success
        raise PluginError(f"{failure}: {_last(error)}") from error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _last(error: BaseException) -> str:
    """Return the error with the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    place_ = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place_}"


def main(arguments: list[str]) -> int:
    """Run from the command line; 1 and one message when the plugin is refused."""
    parser = argparse.ArgumentParser(description=__doc__, fromfile_prefix_chars="@")
    parser.add_argument("--entry", required=True)
    parser.add_argument("--label", required=True)
    parser.add_argument("--source", action="append", default=[])
    parser.add_argument("--import", dest="imports", action="append", default=[])
    parser.add_argument("--wheel", action="append", default=[])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    try:
        with importable(options.source, options.imports, options.wheel):
            found = describe(options.entry)
    except PluginError as error:
        print(f"{options.label}: {error}", file=sys.stderr)
        return 1
    options.out.write_text(json.dumps(found.as_json(), sort_keys=True, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
