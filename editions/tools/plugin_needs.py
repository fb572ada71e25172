"""Reads what a plugin needs of the server and of other plugins, from its source, and holds editions against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import PluginError
from core.migration import check_plugin_name
from core.plugin_api import PLUGIN_API_VERSION, ApiRange
from editions.tools.plugin_source import NotLiteral, PluginSource, PluginSourceError


@dataclass(frozen=True, slots=True)
class PluginNeeds:
    """The versions of the Plugin API and the other plugins that a plugin needs.

    Attributes:
        plugin_api: versions of the Plugin API, such as ``>=1.0,<2``.
        requires: names of the plugins that must be in each edition with it, sorted.
    """

    plugin_api: str
    requires: tuple[str, ...]

    @classmethod
    def read(cls, source: PluginSource, name: str, kind: str) -> PluginNeeds:
        """Read the needs of the plugin ``name`` from its class ``kind``.

        Raises:
            PluginSourceError: they are missing or malformed, or this server's Plugin API is not in the range.
        """
        attributes = source.classes[kind]
        text, line = attributes.get("plugin_api", (None, source.lines[kind]))
        if not isinstance(text, str):
            raise PluginSourceError(
                line,
                f"{kind} does not state the versions of the Plugin API that it works with; this server has"
                f" {PLUGIN_API_VERSION}: write plugin_api = '>={PLUGIN_API_VERSION},<{_next(PLUGIN_API_VERSION)}'"
                " in the class, as a literal",
            )
        try:
            fits = PLUGIN_API_VERSION in ApiRange.parse(text)
        except PluginError as error:
            raise PluginSourceError(line, f"plugin_api: {error}") from None
        if not fits:
            raise PluginSourceError(
                line,
                f"plugin {name} works with the Plugin API {text}, but this server has {PLUGIN_API_VERSION}; use another"
                " version of one of them, or see CHANGELOG.md, change the plugin, and widen plugin_api",
            )
        return cls(text, _requires(attributes.get("requires", ((), 1)), name))

    def as_json(self) -> dict[str, Any]:
        """Return the form of a plugin's manifest."""
        return {"plugin_api": self.plugin_api, "requires": list(self.requires)}


def refuse_missing(plugins: Sequence[Mapping[str, Any]]) -> None:
    """Return when each plugin's required plugins are among ``plugins``, which are manifests.

    Raises:
        ValueError: names each plugin that is missing, and who requires it.
    """
    there = {plugin["name"] for plugin in plugins}
    missing = [
        f"plugin {plugin['name']} requires the plugin {name}, which is not in the edition"
        for plugin in plugins
        for name in plugin["requires"]
        if name not in there
    ]
    if missing:
        cure = "plugins are missing; add each to the edition's list, or leave out the plugin that requires it"
        raise ValueError(f"{cure}:\n  " + "\n  ".join(missing))


def _requires(found: tuple[Any, int], name: str) -> tuple[str, ...]:
    names, line = found
    if isinstance(names, NotLiteral):
        raise PluginSourceError(line, f"requires is {names.text}; the build reads the source: write the names")
    if not isinstance(names, list | tuple) or not all(isinstance(each, str) for each in names):
        raise PluginSourceError(line, f"requires is {names!r}; write names of plugins, such as ('worker-token',)")
    for each in names:
        try:
            check_plugin_name(each)
        except PluginError as error:
            raise PluginSourceError(line, f"requires: {error}") from None
    if name in names:
        raise PluginSourceError(line, f"requires: {name} cannot require itself")
    return tuple(sorted(set(names)))


def _next(version: str) -> int:
    return int(version.partition(".")[0]) + 1
