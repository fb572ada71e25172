"""Holds the plugins and calls their hooks, in order of their names.

Every hook is called through ``hooks.ask``, so that a plugin that raises, takes too long or returns another type is
named together with the hook.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel

from core import plugin as api
from core.auth import Authenticator, Authorizer, TokenIssuer
from core.calls import CallObserver
from core.endpoints import GrpcService, RestRoute
from core.errors import ConfigError, FlovynError, PluginError, one_line
from core.migration import check_plugin_name, sql_name
from core.openapi import OpenApiFragment
from core.pages import FILES_FOLDER, ConsolePage, Site
from core.plugin import Plugin
from core.plugin_services import PluginServices
from core.service import Service
from core.settings import ConfigSection
from core.tracing import Tracer
from server.config.load import Sources
from server.migrator.history import Owner
from server.migrator.migrator import Migrator, owners
from server.plugin_checks import answers
from server.plugin_checks.contributions import SERVER, Contributions, Declared, clashes, declared, migrations_of
from server.plugin_checks.hooks import ask, wait_for
from server.plugin_registry.sections import validated, warn_of_absent

Answer = TypeVar("Answer")
_log = logging.getLogger(__name__)


class PluginRegistry:
    """Holds one instance of every plugin, sorted by name."""

    def __init__(self) -> None:
        self._plugins: dict[str, Plugin] = {}
        self._settings: dict[str, BaseModel | None] = {}
        self._declared: dict[str, Declared] = {}
        self._started: list[Plugin] = []

    def register(self, plugin: Plugin) -> None:
        """Add a plugin.

        Raises:
            PluginError: it is no plugin, its name is not valid, or the name is taken.
        """
        if not isinstance(plugin, Plugin):
            raise PluginError(f"{plugin!r} is not a plugin: derive its class from core.plugin.Plugin")
        name = _checked_name(plugin)
        if name in self._plugins:
            raise PluginError(f"two plugins are named {name!r}: {_class(self._plugins[name])} and {_class(plugin)}")
        self._plugins[name] = plugin
        self._plugins = dict(sorted(self._plugins.items()))

    def plugins(self) -> list[Plugin]:
        """Return the plugins, sorted by name."""
        return list(self._plugins.values())

    def sections(self) -> dict[str, ConfigSection]:
        """Return the sections of the configuration that plugins read, by the plugin's name with underscores."""
        found = {sql_name(plugin.name): _section(plugin) for plugin in self.plugins()}
        return {name: section for name, section in found.items() if section is not None}

    def load_settings(self, sources: Sources) -> None:
        """Read and validate the section of every plugin.

        Raises:
            ConfigError: lists the problems of all sections.
        """
        problems = []
        for plugin in self.plugins():
            section = _section(plugin)
            try:
                self._settings[plugin.name] = None if section is None else validated(plugin.name, section, sources)
            except ConfigError as error:
                problems.append(str(error))
        if problems:
            raise ConfigError("\n".join(problems))
        warn_of_absent(sources, set(map(sql_name, self._plugins)))

    def owners(self) -> list[Owner]:
        """Return the core and the plugins with their migrations."""
        for plugin in self.plugins():
            migrations_of(plugin, partial(ask, plugin.name))
        return owners(self.plugins())

    async def run_migrations(self, migrator: Migrator) -> None:
        """Apply what is pending, core first, then plugins by name."""
        await migrator.apply(self.owners())

    def setup(self, services: Callable[[Plugin, BaseModel | None], PluginServices]) -> None:
        """Run ``setup`` of every plugin; ``services`` makes its services from the plugin and its settings."""
        for plugin in self.plugins():
            lent = services(plugin, self._settings.get(plugin.name))
            ask(plugin.name, "setup", partial(plugin.setup, lent))

    def check(self, server: Contributions, built: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        """Compare the declarations of every plugin with those of the others, of the server and of the build.

        Args:
            server: the names of the server itself.
            built: the declarations of each plugin at build time; None when the edition was not built (tests).

        Raises:
            PluginError: lists every clash with both sides, or what differs from the build.
        """
        for plugin in self.plugins():
            self._declared[plugin.name] = declared(plugin, partial(ask, plugin.name))
        found = {name: each.contributions for name, each in self._declared.items()}
        problems = clashes({SERVER: server, **found})
        if problems:
            raise PluginError("plugins clash; rename one side of each:\n  " + "\n  ".join(problems))
        if built is not None:
            _refuse_changes(found, built)

    def authenticator_names(self) -> tuple[str, ...]:
        """Return the names of all plugins' authenticators."""
        return tuple(name for plugin in self.plugins() for name in _names(plugin, "authenticator_names"))

    def default_authenticators(self) -> tuple[str, ...]:
        """Return the names of those that check calls where the configuration lists none.

        Raises:
            PluginError: a plugin names one that it does not have.
        """
        found: list[str] = []
        for plugin in self.plugins():
            defaults = _names(plugin, "default_authenticators", self._settings.get(plugin.name))
            unknown = sorted(set(defaults) - set(_names(plugin, "authenticator_names")))
            if unknown:
                raise PluginError(
                    f"plugin {plugin.name!r}: default_authenticators: {', '.join(unknown)}: not in authenticator_names"
                )
            found += defaults
        return tuple(found)

    def authorizer_names(self) -> tuple[str, ...]:
        """Return the names of all plugins' authorizers."""
        return tuple(name for plugin in self.plugins() for name in _names(plugin, "authorizer_names"))

    def collect_authenticators(self, enabled: Sequence[str]) -> dict[str, Authenticator]:
        """Return the enabled authenticators of all plugins, by name.

        Raises:
            PluginError: a plugin lists one and does not return it, or it is none.
        """
        return self._collect("authenticators", "authenticator_names", enabled, Authenticator)

    def collect_authorizers(self, enabled: Sequence[str]) -> dict[str, Authorizer]:
        """Return the authorizers in use of all plugins, by name.

        Raises:
            PluginError: a plugin lists one and does not return it, or it is none.
        """
        return self._collect("authorizers", "authorizer_names", enabled, Authorizer)

    def _collect(self, hook: str, announced: str, enabled: Sequence[str], kind: type[Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for plugin in self.plugins():
            wanted = tuple(name for name in _names(plugin, announced) if name in enabled)
            if wanted:
                check = partial(answers.made, wanted=wanted, kind=kind)
                found |= _ask(plugin, hook, check)
        return found

    def build_rest_router(self) -> list[RestRoute]:
        """Return the routes of all plugins at their final paths."""
        return [route for each in self._declared.values() for route in each.routes]

    def sites(self) -> dict[str, Site]:
        """Return the pages of the plugins that have some, by plugin."""
        return {name: each.site for name, each in self._declared.items() if each.site is not None}

    def console_pages(self) -> list[tuple[str, ConsolePage]]:
        """Return the pages that plugins add to the console, each with its plugin's name; ``module`` is a path."""
        return [
            (name, replace(page, module=f"{each.site.place}/{FILES_FOLDER}/current/{page.module}"))
            for name, each in self._declared.items()
            for page in each.console_pages
            if each.site is not None
        ]

    def grpc_services(self) -> list[GrpcService]:
        """Return the gRPC services of all plugins."""
        return [service for each in self._declared.values() for service in each.services]

    def openapi(self) -> dict[str, OpenApiFragment]:
        """Return the plugins' additions to the OpenAPI document, by plugin."""
        return {name: each.fragment for name, each in self._declared.items()}

    def observers(self) -> list[tuple[str, CallObserver]]:
        """Return the observers of all plugins, each with its plugin's name."""
        check = partial(answers.several, kind=CallObserver)
        return [(plugin.name, observer) for plugin in self.plugins() for observer in _ask(plugin, "observers", check)]

    def background_services(self) -> list[Service]:
        """Return the background services of all plugins."""
        kind: Any = Service
        check = partial(answers.several, kind=kind)
        return [service for plugin in self.plugins() for service in _ask(plugin, "background_services", check)]

    def token_issuer(self) -> TokenIssuer | None:
        """Return the issuer of worker credentials, if this edition has one."""
        kind: Any = TokenIssuer
        check = partial(answers.one, kind=kind)
        issuers = (_ask(plugin, "token_issuer", check) for plugin in self.plugins())
        return next((issuer for issuer in issuers if issuer is not None), None)

    def tracer(self) -> Tracer | None:
        """Return the tracer of the plugin that has one.

        Raises:
            PluginError: two plugins have one.
        """
        check = partial(answers.one, kind=Tracer)  # type: ignore[type-abstract]
        found = {plugin.name: tracer for plugin in self.plugins() if (tracer := _ask(plugin, "tracer", check))}
        if len(found) > 1:
            raise PluginError(f"the plugins {', '.join(found)} have a tracer each; build an edition with one of them")
        return next(iter(found.values()), None)

    async def startup(self) -> None:
        """Run the plugins' ``on_startup`` hooks, by name."""
        for plugin in self.plugins():
            await wait_for(plugin.name, "on_startup", plugin.on_startup, api.HOOK_TIMEOUT_S)
            self._started.append(plugin)

    async def shutdown(self, within: float) -> None:
        """Run ``on_shutdown`` of the started plugins, last first; after an error the others run, too.

        ``within`` seconds are for all of them; each may use an equal share of what those before it left.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        while self._started:
            share = max(0.0, deadline - loop.time()) / len(self._started)
            plugin = self._started.pop()
            try:
                await wait_for(plugin.name, "on_shutdown", plugin.on_shutdown, share)
            except PluginError as error:
                _log.error("%s", error)


def _ask(plugin: Plugin, hook: str, check: Callable[[Any], Answer]) -> Answer:
    """Return the checked answer of a hook."""
    return ask(plugin.name, hook, lambda: check(getattr(plugin, hook)()))


def _section(plugin: Plugin) -> ConfigSection | None:
    """Return the section of a plugin; its error has no traceback, because commands show it."""

    def section() -> ConfigSection | None:
        try:
            return answers.section(plugin.config())
        except FlovynError:
            raise
        except Exception as error:
            raise PluginError(one_line(error)) from error

    return ask(plugin.name, "config", section)


def _names(plugin: Plugin, hook: str, *arguments: object) -> tuple[str, ...]:
    return ask(plugin.name, hook, lambda: answers.names(getattr(plugin, hook)(*arguments)))


def _checked_name(plugin: Plugin) -> str:
    """Return the plugin's name, and check its version."""
    try:
        name, version = plugin.name, plugin.version
    except Exception as error:
        raise PluginError(f"{_class(plugin)} has no name or no version: {type(error).__name__}: {error}") from error
    if not isinstance(name, str) or not isinstance(version, str) or not version:
        raise PluginError(f"{_class(plugin)}: name and version must be texts, not {name!r} and {version!r}")
    return check_plugin_name(name)


def _refuse_changes(found: Mapping[str, Contributions], built: Mapping[str, Mapping[str, Any]]) -> None:
    for name, contributions in found.items():
        if contributions.as_json() != built.get(name):
            raise PluginError(
                f"plugin {name!r} declares something else than when this edition was built: declarations"
                f" must not depend on settings; now {contributions.as_json()}, then {built.get(name)}"
            )


def _class(plugin: Plugin) -> str:
    return f"{type(plugin).__module__}.{type(plugin).__qualname__}"
