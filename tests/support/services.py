"""What a plugin's parts are tested with below a whole server: only the services that a test brings."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from core.plugin_services import PluginServices


def lent(**given: Any) -> PluginServices:
    """Return services of which only the given ones are there."""
    nothing: dict[str, Any] = dict.fromkeys(each.name for each in fields(PluginServices))
    return PluginServices(**(nothing | given))
