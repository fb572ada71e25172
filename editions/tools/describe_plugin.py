"""Writes down the declarations of a plugin (routes, RPCs, names), so that an edition can be checked as a set.

This imports the plugin, with nothing on the path but its own sources, core and the wheels that it declares: a
dependency that the target forgot shows here, at build time. Its hooks get services without anything behind them and
settings with their defaults; a plugin whose declarations need more than that is refused. So is one whose part of the
OpenAPI document cannot be made.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from core.build_info import BuildInfo
from core.clock import SystemClock
from core.errors import PluginError
from core.migration import check_plugin_name
from core.plugin import Plugin
from core.plugin_services import PluginServices
from editions.tools import plugin_imports
from editions.tools.layout import place
from server.plugin_checks import answers, hooks
from server.plugin_checks.contributions import Contributions, declared, migrations_of
from server.rest_api import openapi


class Nothing:
    """A service that ``setup`` may store and must not use."""

    def __getattr__(self, name: str) -> Any:
        """Refuse.

        Raises:
            PluginError: always.
        """
        if name.startswith("__"):
            raise AttributeError(name)
        raise PluginError(f"declarations must not need the running server, but {name!r} was used")


class AnyMetrics:
    """Metrics that a declaring hook may make; they count nothing."""

    def counter(self, *_arguments: object, **_more: object) -> Any:
        """Return a metric that counts nothing."""
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
        agents=nothing,
        cursors=nothing,
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
    """Import the plugin and return its declarations.

    Raises:
        PluginError: it cannot be imported, a hook fails, or it reaches outside of its own names.
    """
    module, _, name = entry.partition(":")

    def make() -> Plugin:
        plugin: Plugin = getattr(importlib.import_module(module), name)()
        check_plugin_name(plugin.name)
        return plugin

    plugin = hooks.ask(entry, "its import or constructor", make, _end)
    ask = partial(hooks.ask, plugin.name, late=_end)
    lent = ask("config", lambda: services(plugin))
    ask("setup", partial(plugin.setup, lent))
    found = declared(plugin, ask)
    migrations_of(plugin, ask)
    for route in found.routes:
        models = (route.request_model, route.query_model, route.response_model)
        ask(f"rest_routes: a model of {route.method} {route.path}", partial(_build, *models))
    ask("openapi", lambda: openapi.part(plugin.name, found.routes, found.fragment))
    return found.contributions


def _end(message: str) -> None:
    """End the program: Bazel shows the message of an action only when the action has ended."""
    print(message, file=sys.stderr, flush=True)
    os._exit(1)


def _build(*models: type[BaseModel] | None) -> None:
    """Build the validators of pydantic's models: a wrong annotation shows here, and not when a command reads settings.

    Raises:
        PydanticUserError: an annotation names nothing, or a type that cannot be validated.
    """
    for model in models:
        if model is not None:
            model.model_rebuild(force=True)


def main(arguments: list[str]) -> int:
    """Run from the command line; 1 and one message when the plugin is refused."""
    parser = argparse.ArgumentParser(description=__doc__, fromfile_prefix_chars="@")
    parser.add_argument("--entry", required=True)
    parser.add_argument("--label", required=True)
    parser.add_argument("--source", nargs="*", default=[])
    parser.add_argument("--import", dest="imports", action="append", default=[])
    parser.add_argument("--wheel", action="append", default=[])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    gc.disable()  # the program ends before it could run out of memory; a build waits for it
    wrong = plugin_imports.faults(
        options.entry.partition(":")[0].rpartition(".")[0],
        {place(short, options.imports): Path(path) for short, _, path in (s.partition("=") for s in options.source)},
        [Path(wheel, "site-packages") for wheel in options.wheel],
    )
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 1
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
