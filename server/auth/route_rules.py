"""Which checks a call of a route has to pass, whatever path of the route it takes and however that is spelled.

A rule names a path. It counts for the route that is served there, at all paths of the route, and for the tenant that
the path names, however a request names that tenant: by slug, by UUID, or by the caller's own credentials alone.
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
    """The rules that can concern a route.

    Attributes:
        paths: all paths of the route, with their parameters in braces, in segments.
        rules: in the order of the configuration; the first that matches counts.
        default: the checks of calls that no rule matches.
    """

    paths: tuple[tuple[str, ...], ...]
    rules: tuple[tuple[PathPattern, Checks], ...]
    default: Checks

    def possible(self, parameters: Mapping[str, str]) -> list[Checks]:
        """Return all checks that the call may have to pass, depending on its tenant, each once."""
        found: list[Checks] = []
        for pattern, checks in self._about(parameters, ANYTHING):
            found.append(checks)
            if self._matches(pattern, parameters, UNNAMED):  # for every tenant: no later rule is asked
                return list(dict.fromkeys(found))
        return list(dict.fromkeys([*found, self.default]))

    def of(self, parameters: Mapping[str, str], tenant: Segment) -> Checks:
        """Return the checks that the call has to pass, now that its tenant is known."""
        return next((checks for _, checks in self._about(parameters, tenant)), self.default)

    def _about(self, parameters: Mapping[str, str], tenant: Segment) -> Iterator[tuple[PathPattern, Checks]]:
        return (rule for rule in self.rules if self._matches(rule[0], parameters, tenant))

    def _matches(self, pattern: PathPattern, parameters: Mapping[str, str], tenant: Segment) -> bool:
        return any(pattern.matches([_filled(each, parameters, tenant) for each in path]) for path in self.paths)


def rules_of_route(paths: Sequence[str], rules: Sequence[tuple[PathPattern, Checks]], default: Checks) -> RouteRules:
    """Return the rules that can match one of the route's paths, whatever stands in the place of parameters."""
    split = tuple(tuple(path[1:].split("/")) for path in paths)
    anyhow = [[ANYTHING if _PARAMETERS.search(segment) else names([segment]) for segment in path] for path in split]
    return RouteRules(split, tuple(rule for rule in rules if any(map(rule[0].matches, anyhow))), default)


def _filled(segment: str, parameters: Mapping[str, str], tenant: Segment) -> Segment:
    """Return a segment of a path with the request's parameters; one that the request does not have is nameless."""
    wanted = _PARAMETERS.findall(segment)
    if wanted == [TENANT_PARAMETER]:
        return tenant
    if any(name not in parameters for name in wanted):
        return UNNAMED
    return names([segment.format_map(parameters) if wanted else segment])
