"""The plugins of the running edition: checks them as a set, then answers for all of them in order.

Every hook is called through ``_ask``, so that a plugin that raises or returns nonsense is named
together with the hook, and never takes the others down with a bare traceback.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel

from core.auth import Authenticator, Authorizer, TokenIssuer
from core.build_info import BuildInfo
from core.clock import Clock
from core.endpoints import GrpcService, RestRoute
from core.errors import ConfigError, FlovynError, PluginError
from core.launchers import TenantLookup
from core.migration import check_plugin_name, sql_name
from core.plugin import Plugin
from core.plugin_services import Database, PluginServices
from core.settings import ConfigSection
from server.config.load import Sources, validate_section
from server.database.history import Owner
from server.database.migrator import Migrator, owners

REST_PREFIX = "/api/v1/p/"

Answer = TypeVar("Answer")
_log = logging.getLogger(__name__)


class PluginRegistry:
    """Holds one instance of every plugin, sorted by name."""

    def __init__(self) -> None:
        """Start empty."""
        self._plugins: dict[str, Plugin] = {}
        self._settings: dict[str, BaseModel | None] = {}
        self._services: dict[str, PluginServices] = {}
        self._started: list[Plugin] = []

    def register(self, plugin: Plugin) -> None:
        """Add a plugin.

        Raises:
            PluginError: it is no plugin, its name is not valid, or the name is taken.
        """
        if not isinstance(plugin, Plugin):
            raise PluginError(f"{plugin!r} is not a plugin: derive its class from core.plugin.Plugin")
        name = check_plugin_name(str(getattr(plugin, "name", "")))
        if name in self._plugins:
            raise PluginError(f"two plugins are named {name!r}: {_class(self._plugins[name])} and {_class(plugin)}")
        self._plugins[name] = plugin
        self._plugins = dict(sorted(self._plugins.items()))

    def plugins(self) -> list[Plugin]:
        """Return the plugins, sorted by name."""
        return list(self._plugins.values())

    def load_settings(self, sources: Sources) -> None:
        """Read and validate the section of every plugin.

        Raises:
            ConfigError: lists the problems of all sections.
        """
        problems = []
        for plugin in self.plugins():
            section = _ask(plugin, "config", plugin.config)
            try:
                self._settings[plugin.name] = None if section is None else _validated(plugin.name, section, sources)
            except ConfigError as error:
                problems.append(str(error))
        if problems:
            raise ConfigError("\n".join(problems))
        _warn_of_absent(sources, set(map(sql_name, self._plugins)))

    def owners(self) -> list[Owner]:
        """Return the core and the plugins with their migrations."""
        for plugin in self.plugins():
            _ask(plugin, "migrations", plugin.migrations)
        return owners(self.plugins())

    async def run_migrations(self, migrator: Migrator) -> None:
        """Apply what is pending, core first, then plugins by name."""
        await migrator.apply(self.owners())

    def lend(self, database: Database, clock: Clock, tenants: TenantLookup, build_info: BuildInfo) -> None:
        """Make the services that each plugin's hooks get."""
        for plugin in self.plugins():
            logger = logging.getLogger(f"plugins.{sql_name(plugin.name)}")
            settings = self._settings.get(plugin.name)
            self._services[plugin.name] = PluginServices(database, clock, tenants, settings, build_info, logger)

    def authenticator_names(self) -> tuple[str, ...]:
        """Return the names of all plugins' authenticators.

        Raises:
            PluginError: two plugins offer one name.
        """
        owner: dict[str, str] = {}
        for plugin in self.plugins():
            for name in _ask(plugin, "authenticator_names", plugin.authenticator_names):
                if name in owner:
                    raise PluginError(
                        f"plugins {owner[name]!r} and {plugin.name!r} both offer the authenticator {name!r}"
                    )
                owner[name] = plugin.name
        return tuple(owner)

    def collect_authenticators(self, enabled: Sequence[str]) -> dict[str, Authenticator]:
        """Return the enabled authenticators of all plugins, by name."""
        found: dict[str, Authenticator] = {}
        for plugin in self.plugins():
            if set(enabled) & set(plugin.authenticator_names()):
                found |= self._ask_with_services(plugin, "authenticators", plugin.authenticators)
        missing = [name for name in enabled if name not in found]
        if missing:
            raise PluginError(f"authenticators were announced but are not there: {', '.join(missing)}")
        return found

    def collect_authorizers(self) -> dict[str, Authorizer]:
        """Return the authorizers of all plugins, by name."""
        found: dict[str, Authorizer] = {}
        for plugin in self.plugins():
            for name, authorizer in self._ask_with_services(plugin, "authorizers", plugin.authorizers).items():
                if name in found:
                    raise PluginError(f"plugin {plugin.name!r}: the authorizer {name!r} exists already")
                found[name] = authorizer
        return found

    def build_rest_router(self) -> list[RestRoute]:
        """Return the routes of all plugins at their final paths."""
        return [
            _mounted(plugin, route)
            for plugin in self.plugins()
            for route in self._ask_with_services(plugin, "rest_routes", plugin.rest_routes)
        ]

    def grpc_services(self) -> list[GrpcService]:
        """Return the gRPC services of all plugins.

        Raises:
            PluginError: a service lies outside its plugin's package, or offers a method that it does not declare.
        """
        services = []
        for plugin in self.plugins():
            for service in self._ask_with_services(plugin, "grpc_services", plugin.grpc_services):
                _check_service(plugin, service)
                services.append(service)
        return services

    def token_issuer(self) -> TokenIssuer | None:
        """Return what issues worker credentials in this edition, if anything does."""
        issuers = (self._ask_with_services(plugin, "token_issuer", plugin.token_issuer) for plugin in self.plugins())
        return next((issuer for issuer in issuers if issuer is not None), None)

    async def startup(self) -> None:
        """Run the plugins' ``on_startup`` hooks, by name."""
        for plugin in self.plugins():
            try:
                await plugin.on_startup(self._services[plugin.name])
            except Exception as error:
                raise _failed(plugin, "on_startup", error) from error
            self._started.append(plugin)

    async def shutdown(self) -> None:
        """Run ``on_shutdown`` of what was started, last first; one that fails does not keep the others from it."""
        while self._started:
            plugin = self._started.pop()
            try:
                await plugin.on_shutdown()
            except Exception:  # noqa: BLE001 - logged whole
                _log.exception("plugin %r: on_shutdown failed", plugin.name)

    def _ask_with_services(self, plugin: Plugin, hook: str, method: Callable[[PluginServices], Answer]) -> Answer:
        return _ask(plugin, hook, lambda: method(self._services[plugin.name]))


def _ask(plugin: Plugin, hook: str, call: Callable[[], Answer]) -> Answer:
    try:
        return call()
    except Exception as error:
        raise _failed(plugin, hook, error) from error


def _failed(plugin: Plugin, hook: str, error: Exception) -> PluginError:
    if not isinstance(error, FlovynError):
        _log.error("plugin %r: %s raised", plugin.name, hook, exc_info=error)
    text = str(error) if isinstance(error, FlovynError) else f"{type(error).__name__}: {error}"
    return PluginError(f"plugin {plugin.name!r}: {hook} failed: {text}")


def _class(plugin: Plugin) -> str:
    return f"{type(plugin).__module__}.{type(plugin).__qualname__}"


def _mounted(plugin: Plugin, route: RestRoute) -> RestRoute:
    """Return the route below its plugin's place.

    Raises:
        PluginError: the path tries to leave it.
    """
    segments = route.path.split("/")
    if segments[0] or len(segments) < 2 or any(segment in ("", ".", "..") for segment in segments[1:]):  # noqa: PLR2004
        raise PluginError(
            f"plugin {plugin.name!r}: route {route.path!r} must be relative to the plugin, such as '/items/{{id}}'"
        )
    return RestRoute(
        route.method,
        f"{REST_PREFIX}{plugin.name}{route.path}",
        route.handler,
        route.action,
        route.resource,
        route.summary,
        route.request_model,
    )


def _check_service(plugin: Plugin, service: GrpcService) -> None:
    package = f"flovyn.plugins.{sql_name(plugin.name)}.v1"
    name = service.descriptor.full_name
    if name.rpartition(".")[0] != package:
        raise PluginError(f"plugin {plugin.name!r}: the gRPC service {name} must be in the package {package}")
    unknown = sorted(set(service.methods) - set(service.descriptor.methods_by_name))
    if unknown:
        raise PluginError(f"plugin {plugin.name!r}: the gRPC service {name} declares no method {', '.join(unknown)}")


def _validated(name: str, section: ConfigSection, sources: Sources) -> BaseModel:
    """Merge a plugin's settings, weakest first: older tables, own table, older variables, own variables."""
    own = sql_name(name)
    values: dict[str, Any] = {}
    for place in (*section.also_read, f"plugins.{own}"):
        values |= _table(sources.file, place)
    values |= {
        key: sources.environ[variable] for variable, key in section.environment.items() if variable in sources.environ
    }
    prefix = f"PLUGINS__{own.upper()}__"
    values |= {
        key.upper().removeprefix(prefix).lower(): value
        for key, value in sources.environ.items()
        if key.upper().startswith(prefix)
    }
    return validate_section(section.model, f"plugins.{own}", values)


def _table(file: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    table: Any = file
    for part in place.split("."):
        table = table.get(part, {}) if isinstance(table, Mapping) else {}
    if not isinstance(table, Mapping):
        raise ConfigError(f"{place}: write a table")
    return table


def _warn_of_absent(sources: Sources, present: set[str]) -> None:
    for name in sorted(set(_table(sources.file, "plugins")) - present):
        _log.warning("the configuration has [plugins.%s], but this edition has no such plugin; it is ignored", name)
