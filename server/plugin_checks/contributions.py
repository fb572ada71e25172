"""The names that plugins add to a server, checked as a set when an edition is built and again when it starts.

The names go into ``edition.json``, so an edition can list its content, and a start whose plugins
declare other names than at build time is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from core.endpoints import REST_PREFIX, GrpcService, RestRoute
from core.errors import PluginError
from core.migration import PluginMigration, sql_name
from core.openapi import OpenApiFragment
from core.pages import FILES_FOLDER, ConsolePage, Site
from core.plugin import Plugin
from core.settings import ConfigSection
from server.plugin_checks import answers

SERVER = "the server"
"""The side of a clash that is no plugin."""

_PARAMETER = re.compile(r"\{[a-z][a-z0-9_]*\}")

Ask = Callable[[str, Callable[[], Any]], Any]
"""Calls a hook and checks its answer, given the hook's name and what does both; ``PluginError`` names the hook."""


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
        places: places of sites in a browser, such as ``/console``; ``/`` where that leads to the owner's site.
        pages: addresses of HTML pages.
        open_routes: those of ``routes`` and ``pages`` that need no credentials, and the files of sites.
        console_pages: addresses of pages inside of the console.
    """

    routes: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    rpcs: tuple[str, ...] = ()
    authenticators: tuple[str, ...] = ()
    authorizers: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    open_routes: tuple[str, ...] = ()
    console_pages: tuple[str, ...] = ()

    def as_json(self) -> dict[str, list[str]]:
        """Return the form of ``edition.json``."""
        return {name: list(values) for name, values in asdict(self).items()}


SERVER_AUTHENTICATORS = ("static_api_key", "noop")
SERVER_AUTHORIZERS = ("tenant_scope", "roles", "cedar", "noop", "none")
"""``cedar`` and ``none`` are what existing deployments call ``roles`` and ``noop``."""

RESERVED = Contributions(authenticators=SERVER_AUTHENTICATORS, authorizers=SERVER_AUTHORIZERS)
"""The server's names that no plugin can use, without an import of the server."""


@dataclass(frozen=True, slots=True)
class Declared:
    """Everything that a plugin declares, asked for once and checked."""

    routes: tuple[RestRoute, ...]
    services: tuple[GrpcService, ...]
    section: ConfigSection | None
    fragment: OpenApiFragment
    site: Site | None
    console_pages: tuple[ConsolePage, ...]
    contributions: Contributions


def declared(plugin: Plugin, ask: Ask) -> Declared:
    """Return the checked declarations of a plugin that has been set up; all of its names must be its own.

    Raises:
        PluginError: names the plugin, the hook and what is wrong.
    """
    name = plugin.name
    routes = ask("rest_routes", lambda: answers.routes(plugin.rest_routes(), name))
    offered = ask("grpc_services", lambda: answers.services(plugin.grpc_services(), name))
    section = ask("config", lambda: answers.section(plugin.config()))
    site = ask("site", lambda: answers.site(plugin.site()))
    console_pages = ask("console_pages", lambda: answers.console_pages(plugin.console_pages(), site))
    fragment = ask("openapi", lambda: answers.fragment(plugin.openapi(), name, routes))
    taken = Contributions(
        routes=_sorted(f"{route.method} {route.path}" for route in routes),
        aliases=_sorted(f"{route.method} {alias}" for route in routes for alias in route.aliases),
        rpcs=_sorted(f"/{each.descriptor.full_name}/{method}" for each in offered for method in each.methods),
        authenticators=_sorted(ask("authenticator_names", lambda: answers.names(plugin.authenticator_names()))),
        authorizers=_sorted(ask("authorizer_names", lambda: answers.names(plugin.authorizer_names()))),
        sections=_sorted((f"plugins.{sql_name(name)}", *section.also_read)) if section is not None else (),
        variables=_sorted(section.environment) if section is not None else (),
        places=() if site is None else _sorted([site.place, *(["/"] if site.is_home else [])]),
        pages=() if site is None else _sorted(site.place + page.path for page in site.pages),
        open_routes=_sorted([*(f"{route.method} {route.path}" for route in routes if route.is_open), *_open(site)]),
        console_pages=_sorted(f"/console/p/{name}{page.path}" for page in console_pages),
    )
    _refuse_twice(plugin, taken)
    return Declared(routes, offered, section, fragment, site, console_pages, taken)


def _open(site: Site | None) -> Iterator[str]:
    """Yield what of a site needs no credentials."""
    if site is None:
        return
    yield f"GET {site.place}/{FILES_FOLDER}/"
    if site.is_home:
        yield "GET /"
    for page in site.pages:
        if page.is_open:
            yield f"GET {site.place}{page.path}"


def migrations_of(plugin: Plugin, ask: Ask) -> tuple[PluginMigration, ...]:
    """Return the plugin's migrations, checked.

    Raises:
        PluginError: names the plugin, the hook and what is wrong.
    """
    found: tuple[PluginMigration, ...] = ask("migrations", lambda: answers.migrations(plugin.migrations()))
    return found


def clashes(owners: Mapping[str, Contributions]) -> list[str]:
    """Return a line for everything that two owners take, naming both; sorted.

    Routes clash when a request could mean either, or when they name one parameter differently; sections and variables
    when one lies in the other.
    """
    found = []
    taken: dict[tuple[str, str], str] = {}
    for owner, contributions in owners.items():
        for kind, name, form in _claims(contributions):
            other = taken.setdefault((kind, form), owner)
            if other != owner:
                found.append(f"{kind} {name} is claimed by {other} and by {owner}")
    for (one, first), (two, second) in combinations(owners.items(), 2):
        found += _overlapping_routes(one, first, two, second)
        found += _nested(one, first, two, second)
        found += _nested(two, second, one, first)
    return sorted(found)


def shape(path: str) -> str:
    """Return the path without the names of its parameters: what decides whether two routes are one."""
    return _PARAMETER.sub("{}", path)


def _overlapping_routes(one: str, first: Contributions, two: str, second: Contributions) -> Iterator[str]:
    """Yield pairs of different paths that do not go together; plugins' own places are apart by their names."""
    mine, theirs = _open_paths(first), _open_paths(second)
    pairs = [(path, other) for path in mine for other in theirs]
    for path, other in sorted(set(pairs)):
        a, b = path.partition(" ")[2], other.partition(" ")[2]
        same = shape(path) == shape(other)  # told already, by name
        if a != b and not same and (overlap(a, b) or differently_named(a, b)):
            yield f"route {other} of {two} does not go together with {path} of {one}"


def _open_paths(contributions: Contributions) -> list[str]:
    return [name for name in (*contributions.routes, *contributions.aliases) if f" {REST_PREFIX}" not in name]


def overlap(one: str, other: str) -> bool:
    """Whether one request could be meant for both paths."""
    pairs = list(zip(one.split("/"), other.split("/"), strict=False))
    return one.count("/") == other.count("/") and all(a == b or "{" in a + b for a, b in pairs)


def differently_named(one: str, other: str) -> bool:
    """Whether the paths have a parameter of another name in one place: a router can know it by one name only."""
    for a, b in zip(one.split("/"), other.split("/"), strict=False):
        if a != b:
            return a.startswith("{") and b.startswith("{")
    return False


def _nested(outer: str, has: Contributions, inner: str, wants: Contributions) -> Iterator[str]:
    """Yield what one owner reads inside of the other's sections, by the table's name or by a variable's."""
    for place in has.sections:
        for section in wants.sections:
            if section.startswith(place + "."):
                yield f"section {section} of {inner} lies in {place} of {outer}"
        for variable in wants.variables:
            if _place_of(variable) == place or _place_of(variable).startswith(place + "."):
                yield f"variable {variable} of {inner} lies in {place} of {outer}"


def _place_of(variable: str) -> str:
    """Return the table's name that a variable sets, in its older spelling too: ``DATABASE__POOL_SIZE``."""
    name = variable.lower()
    if "__" in name:
        name = name.removeprefix("flovyn_")
    return name.replace("__", ".")


def _claims(contributions: Contributions) -> Iterator[tuple[str, str, str]]:
    for name in (*contributions.routes, *contributions.aliases):
        yield "route", name, shape(name)
    for place in contributions.places:
        yield "place", place, place
    for page in contributions.pages:
        yield "page", page, shape(page)
    for rpc in contributions.rpcs:
        yield "RPC", rpc, rpc
    for variable in contributions.variables:
        yield "variable", variable, variable.upper()
    for kind in ("authenticator", "authorizer", "section"):
        for name in getattr(contributions, f"{kind}s"):
            yield kind, name, name


def _refuse_twice(plugin: Plugin, taken: Contributions) -> None:
    claims = [(kind, form) for kind, _, form in _claims(taken)]
    twice = sorted({f"{kind} {form}" for kind, form in claims if claims.count((kind, form)) > 1})
    if twice:
        raise PluginError(f"plugin {plugin.name!r}: claims twice: {', '.join(twice)}")
    paths = sorted({name.partition(" ")[2] for name in (*taken.routes, *taken.aliases)})
    for one, other in combinations(paths, 2):
        if differently_named(one, other):
            raise PluginError(
                f"plugin {plugin.name!r}: rest_routes: {one} and {other} name one parameter differently; use one name"
            )


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names))
