"""Finds out which plugins a configuration needs: every name in it, held against what each plugin says that it adds."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.endpoints import REST_PREFIX
from core.errors import ConfigError
from core.migration import sql_name
from server.config.auth import ACCEPTED_AUTH_TABLES
from server.config.path_rules import compiled, segments
from server.plugin_checks.contributions import SERVER_AUTHENTICATORS, SERVER_AUTHORIZERS, Contributions

_OTHERS_TABLES = ("session", "cedar", "attr_resolver")
"""Below ``[auth]``: other servers' tables, which this one lets stand."""
_PARAMETER = re.compile(r"\{[a-z][a-z0-9_]*\}")
_OWN_PLACE = re.compile(rf"{REST_PREFIX}([a-z0-9-]+)(?:/|$)|/flovyn\.plugins\.([a-z0-9_]+)\.")


@dataclass(frozen=True, slots=True)
class Reason:
    """A name in the configuration that only a plugin gives a meaning."""

    plugin: str
    place: str


class UnknownNames(ValueError):
    """The configuration has names that no plugin of the repository offers."""


def wanted(config: Mapping[str, Any], plugins: Mapping[str, Contributions]) -> list[Reason]:
    """Return the reasons for which plugins are needed, in the order of the file.

    Args:
        config: the parsed file.
        plugins: what each plugin of the repository adds, by its name.

    Raises:
        UnknownNames: lists every name that no plugin offers, with the nearest one.
    """
    found: list[Reason] = []
    unknown: list[str] = []
    for place, kind, name in _names(config):
        owners = [plugin for plugin, adds in plugins.items() if name in _offered(plugin, adds, kind)]
        found += [Reason(owner, place) for owner in owners]
        if not owners:
            offered = sorted(each for plugin, adds in plugins.items() for each in _offered(plugin, adds, kind))
            near = difflib.get_close_matches(name, offered, n=1)
            unknown.append(
                f"{place}: no plugin offers {kind} {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
            )
    if unknown:
        raise UnknownNames("\n".join(unknown))
    return [*found, *_aliases(config, plugins)]


def _offered(plugin: str, adds: Contributions, kind: str) -> tuple[str, ...]:
    if kind == "plugin":
        return (sql_name(plugin),)
    offered: tuple[str, ...] = getattr(adds, f"{kind}s")
    return offered


def _names(config: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield where a name stands, of what kind it is, and the name: sections, authenticators, authorizers, plugins."""
    for name in _table(config, "plugins"):
        yield f"[plugins.{name}]", "section", f"plugins.{name}"
    for name in _table(config, "auth"):
        if name in ACCEPTED_AUTH_TABLES and name not in _OTHERS_TABLES:
            yield f"[auth.{name}]", "section", f"auth.{name}"
    for place, checks in _checks(config):
        for kind, given, own in (
            ("authenticator", checks.get("authenticators"), SERVER_AUTHENTICATORS),
            ("authorizer", [checks.get("authorizer")], SERVER_AUTHORIZERS),
        ):
            yield from ((place, kind, name) for name in _texts(given) if name not in own)
        for path in _paths(checks):
            match = _OWN_PLACE.match(path)
            if match:
                yield f"{place}: {path}", "plugin", sql_name(match[1] or match[2])


def _checks(config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for protocol in ("http", "grpc"):
        endpoint = _table(_table(_table(config, "auth"), "endpoints"), protocol)
        place = f"auth.endpoints.{protocol}"
        yield place, endpoint
        for index, rule in enumerate(_listed(endpoint.get("rules"))):
            if isinstance(rule, Mapping):
                yield f"{place}.rules[{index}]", rule


def _paths(checks: Mapping[str, Any]) -> list[str]:
    return _texts([checks.get("path"), *_listed(checks.get("exclude_paths"))])


def _listed(value: Any) -> list[Any]:
    """Return a list, and what is none, which the server itself refuses, as an empty one."""
    return value if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:
    return [each for each in _listed(value) if isinstance(each, str)]


def _aliases(config: Mapping[str, Any], plugins: Mapping[str, Contributions]) -> Iterator[Reason]:
    """Yield the plugins for older paths that a rule names: paths that only they serve, without any star in them."""
    for place, checks in _checks(config):
        for path in _paths(checks):
            if "*" in path or _OWN_PLACE.match(path):
                continue
            try:
                pattern = compiled(path)
            except ConfigError:
                continue  # the server itself says what is wrong with it
            for plugin, adds in plugins.items():
                served = (_PARAMETER.sub("x", alias.partition(" ")[2]) for alias in adds.aliases)
                if any(pattern.matches(segments(each)) for each in served):
                    yield Reason(plugin, f"{place}: {path}")


def _table(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = config.get(name)
    return table if isinstance(table, Mapping) else {}
