"""What a plugin adds to a server, as names: checked as a set when an edition is built and again when it starts.

The names go into ``edition.json``, so an edition can say what it contains, and a start whose plugins say something
else than what the build saw is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from core.endpoints import GrpcService, RestRoute
from core.errors import PluginError
from core.migration import sql_name
from core.plugin import Plugin
from core.plugin_services import PluginServices
from core.settings import ConfigSection

REST_PREFIX = "/api/v1/p/"
"""Plugins' routes live below this and their name."""

ALIAS_PREFIXES = ("/api/tenants/{slug}/", "/api/orgs/{slug}/", "/api/v1/tenants/{slug}/")
"""Where an alias for older clients may lie."""

SERVER = "the server"
"""The side of a clash that is no plugin."""

_SEGMENT = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*|\{[a-z][a-z0-9_]*\}")
_PARAMETER = re.compile(r"\{[a-z][a-z0-9_]*\}")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})

Answer = TypeVar("Answer")
Ask = Callable[[str, Callable[[], Answer]], Answer]
"""Calls a hook, given its name and what calls it; raises ``PluginError`` when the hook fails."""


@dataclass(frozen=True, slots=True)
class Contributions:
    """The names that a plugin (or the server itself) takes; each list is sorted.

    Attributes:
        routes: ``METHOD /path`` of every route.
        aliases: the same, of further paths for older clients.
        rpcs: ``/package.Service/Method`` of every gRPC method.
        authenticators: names for the configuration.
        authorizers: names for the configuration.
        sections: tables of the configuration that are read, such as ``plugins.audit_log``.
        variables: environment variables that are read beside those of the sections.
    """

    routes: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    rpcs: tuple[str, ...] = ()
    authenticators: tuple[str, ...] = ()
    authorizers: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()

    def as_json(self) -> dict[str, list[str]]:
        """Return the form of ``edition.json``."""
        return {name: list(values) for name, values in asdict(self).items()}


SERVER_AUTHENTICATORS = ("static_api_key", "noop")
SERVER_AUTHORIZERS = ("tenant_scope", "roles", "cedar", "noop", "none")
"""``cedar`` and ``none`` are what existing deployments call ``roles`` and ``noop``."""

RESERVED = Contributions(authenticators=SERVER_AUTHENTICATORS, authorizers=SERVER_AUTHORIZERS)
"""The server's names that no plugin can take, known without the server."""


@dataclass(frozen=True, slots=True)
class Declared:
    """Everything that a plugin declares, asked for once and checked."""

    routes: tuple[RestRoute, ...]
    services: tuple[GrpcService, ...]
    section: ConfigSection | None
    contributions: Contributions


def declared(plugin: Plugin, services: PluginServices, ask: Ask[Any]) -> Declared:
    """Ask the plugin for what it declares and check that it stays inside its own names.

    Raises:
        PluginError: names the plugin, the hook and what is wrong.
    """
    given = _all(plugin, "rest_routes", ask("rest_routes", lambda: plugin.rest_routes(services)), RestRoute)
    routes = tuple(_mounted(plugin, route) for route in given)
    answer = ask("grpc_services", lambda: plugin.grpc_services(services))
    offered = _all(plugin, "grpc_services", answer, GrpcService)
    for service in offered:
        _check_service(plugin, service)
    section = ask("config", plugin.config)
    names = {hook: ask(hook, getattr(plugin, hook)) for hook in ("authenticator_names", "authorizer_names")}
    for hook, values in names.items():
        _check_names(plugin, hook, values)
    own = f"plugins.{sql_name(plugin.name)}"
    taken = Contributions(
        routes=_sorted(f"{route.method} {route.path}" for route in routes),
        aliases=_sorted(f"{route.method} {alias}" for route in routes for alias in route.aliases),
        rpcs=_sorted(f"/{each.descriptor.full_name}/{method}" for each in offered for method in each.methods),
        authenticators=_sorted(names["authenticator_names"]),
        authorizers=_sorted(names["authorizer_names"]),
        sections=_sorted((own, *section.also_read)) if section is not None else (),
        variables=_sorted(section.environment) if section is not None else (),
    )
    _refuse_twice(plugin, taken)
    return Declared(routes, tuple(offered), section, taken)


def clashes(owners: Mapping[str, Contributions]) -> list[str]:
    """Return a line for every name that two owners take, naming both; sorted.

    Routes clash when no request could tell them apart, whatever their parameters are called.
    """
    found = []
    taken: dict[tuple[str, str], str] = {}
    for owner, contributions in owners.items():
        for kind, name, shape in _claims(contributions):
            other = taken.setdefault((kind, shape), owner)
            if other != owner:
                found.append(f"{kind} {name} is claimed by {other} and by {owner}")
    return sorted(found)


def shape(path: str) -> str:
    """Return the path without the names of its parameters: what decides whether two routes are one."""
    return _PARAMETER.sub("{}", path)


def _claims(contributions: Contributions) -> Iterator[tuple[str, str, str]]:
    for name in (*contributions.routes, *contributions.aliases):
        yield "route", name, shape(name)
    for rpc in contributions.rpcs:
        yield "RPC", rpc, rpc
    for kind in ("authenticator", "authorizer", "section", "variable"):
        for name in getattr(contributions, f"{kind}s"):
            yield kind, name, name


def _refuse_twice(plugin: Plugin, taken: Contributions) -> None:
    claims = [(kind, form) for kind, _, form in _claims(taken)]
    twice = sorted({f"{kind} {form}" for kind, form in claims if claims.count((kind, form)) > 1})
    if twice:
        raise PluginError(f"plugin {plugin.name!r}: claims twice: {', '.join(twice)}")


def _mounted(plugin: Plugin, route: RestRoute) -> RestRoute:
    """Return the route below its plugin's place, checked."""
    problem = _problem(route)
    if problem:
        raise PluginError(f"plugin {plugin.name!r}: rest_routes: route {route.method} {route.path!r}: {problem}")
    return replace(route, path=f"{REST_PREFIX}{plugin.name}{route.path}", tag=plugin.name)


def _problem(route: RestRoute) -> str:
    if route.method not in _METHODS:
        return f"the method must be one of {', '.join(sorted(_METHODS))}"
    if not _is_path(route.path) or "{slug}" in route.path:
        return "write a path relative to the plugin, such as '/items/{id}'; the tenant is the caller's, not a parameter"
    for alias in route.aliases:
        prefix = next((each for each in ALIAS_PREFIXES if alias.startswith(each)), None)
        if prefix is None or not _is_path("/" + alias.removeprefix(prefix)):
            return f"the alias {alias!r} must lie below one of {', '.join(ALIAS_PREFIXES)}"
        if set(_PARAMETER.findall(alias)) - {"{slug}"} != set(_PARAMETER.findall(route.path)):
            return f"the alias {alias!r} must have the same parameters as the path"
    if not route.summary:
        return "it needs a summary"
    return "" if callable(route.handler) else "the handler cannot be called"


def _is_path(path: str) -> bool:
    segments = path.split("/")
    return len(segments) > 1 and not segments[0] and all(_SEGMENT.fullmatch(each) for each in segments[1:])


def _check_service(plugin: Plugin, service: GrpcService) -> None:
    package = f"flovyn.plugins.{sql_name(plugin.name)}.v1"
    name = getattr(service.descriptor, "full_name", "")
    if name.rpartition(".")[0] != package:
        raise PluginError(f"plugin {plugin.name!r}: the gRPC service {name!r} must be in the package {package}")
    unknown = sorted(set(service.methods) - set(service.descriptor.methods_by_name))
    if unknown:
        raise PluginError(f"plugin {plugin.name!r}: the gRPC service {name} declares no method {', '.join(unknown)}")
    streamed = [each for each in service.methods if service.descriptor.methods_by_name[each].client_streaming]
    if streamed:
        raise PluginError(f"plugin {plugin.name!r}: {name}: streamed requests are not offered: {', '.join(streamed)}")


def _check_names(plugin: Plugin, hook: str, names: Sequence[str]) -> None:
    for name in names:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise PluginError(
                f"plugin {plugin.name!r}: {hook}: {name!r} is not a name: use lower-case words joined by underscores"
            )


def _all(plugin: Plugin, hook: str, answer: Any, kind: type[Answer]) -> Sequence[Answer]:
    """Return the hook's answer when it is a sequence of ``kind``."""
    if not isinstance(answer, list | tuple) or not all(isinstance(each, kind) for each in answer):
        raise PluginError(
            f"plugin {plugin.name!r}: {hook} returned {type(answer).__name__}; a list of {kind.__name__} is wanted"
        )
    return answer


def _sorted(names: Any) -> tuple[str, ...]:
    return tuple(sorted(names))
