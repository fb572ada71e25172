"""The names of the server itself. The build records them, too, so that a clash with a plugin stops the build."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from core.endpoints import RestRoute
from server.config.auth import Auth
from server.config.load import FILE_VARIABLE, OLD_SWITCH, keys
from server.config.settings import Settings
from server.plugin_checks.contributions import RESERVED, Contributions

PLACES = ("/_", "/api", "/health")
"""The places of the server's own paths, in which no plugin can have its pages."""

OPEN_TABLE = "auth"
"""The one table of the server whose other keys plugins may read: older configurations have their settings there."""


def server_names(routes: Iterable[RestRoute]) -> Contributions:
    """Return the names that plugins cannot use, given the server's own routes."""
    sections = keys(Settings) - {OPEN_TABLE} | {f"{OPEN_TABLE}.{key}" for key in keys(Auth)}
    return replace(
        RESERVED,
        routes=_sorted(f"{route.method} {path}" for route in routes for path in (route.path, *route.aliases)),
        places=PLACES,
        sections=_sorted(sections),
        variables=_sorted((FILE_VARIABLE, OLD_SWITCH)),
    )


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names))
