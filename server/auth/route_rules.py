"""The checks of the calls of a route: the same at every path of the route, and for every spelling of the path.

A rule names a path. It applies to the route of that path, at all paths of the route. It applies to the tenant in that
path, whether a request names the tenant by its slug, by its UUID, or only by the credentials of the caller.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.config.path_rules import ANYTHING, UNNAMED, PathPattern, Segment, names

if TYPE_CHECKING:
    from server.auth.stack import Checks

TENANT_PARAMETER = "slug"
"""The parameter of a path that names a tenant."""

_PARAMETERS = re.compile(r"\{([a-z][a-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class RouteRules:
    """The rules that can match a route.

    Attributes:
        paths: all paths of the route, divided into segments, with parameters in braces.
        rules: in the order of the configuration; the first that matches counts.
        default: the checks of calls that no rule matches.
    """

    paths: tuple[tuple[str, ...], ...]
    rules: tuple[tuple[PathPattern, Checks], ...]
    default: Checks

    def possible(self, parameters: Mapping[str, str]) -> list[Checks]:
        """Return each set of checks that can be the right one, depending on the tenant of the call."""
        found: list[Checks] = []
        for pattern, checks in self._matching(parameters, ANYTHING):
            found.append(checks)
            if self._matches(pattern, parameters, UNNAMED):  # it matches for every tenant: no later rule counts
                return list(dict.fromkeys(found))
        return list(dict.fromkeys([*found, self.default]))

    def of(self, parameters: Mapping[str, str], tenant: Segment) -> Checks:
        """Return the checks of a call of this tenant."""
        return next((checks for _, checks in self._matching(parameters, tenant)), self.default)

    def _matching(self, parameters: Mapping[str, str], tenant: Segment) -> Iterator[tuple[PathPattern, Checks]]:
        return (rule for rule in self.rules if self._matches(rule[0], parameters, tenant))

    def _matches(self, pattern: PathPattern, parameters: Mapping[str, str], tenant: Segment) -> bool:
        return any(pattern.matches([_filled(each, parameters, tenant) for each in path]) for path in self.paths)


def rules_of_route(paths: Sequence[str], rules: Sequence[tuple[PathPattern, Checks]], default: Checks) -> RouteRules:
    """Return the rules that can match one of the route's paths, for any values of its parameters."""
    split = tuple(tuple(path[1:].split("/")) for path in paths)
    if not rules:
        return RouteRules(split, (), default)
    open_paths = [[ANYTHING if _PARAMETERS.search(segment) else names([segment]) for segment in path] for path in split]
    return RouteRules(split, tuple(rule for rule in rules if any(map(rule[0].matches, open_paths))), default)


def _filled(segment: str, parameters: Mapping[str, str], tenant: Segment) -> Segment:
    """Return a segment with the parameters of the request filled in; without them, the segment has no name."""
    parameter_names = _PARAMETERS.findall(segment)
    if parameter_names == [TENANT_PARAMETER]:
        return tenant
    if any(name not in parameters for name in parameter_names):
        return UNNAMED
    return names([segment.format_map(parameters) if parameter_names else segment])
