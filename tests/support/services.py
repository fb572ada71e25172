"""The services for tests of a plugin's parts without a server: only those that a test brings."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from core.plugin_services import PluginServices


def lent(**given: Any) -> PluginServices:
    """Return services of which only the given ones are there."""
    nothing: dict[str, Any] = dict.fromkeys(each.name for each in fields(PluginServices))
    return PluginServices(**(nothing | given))
