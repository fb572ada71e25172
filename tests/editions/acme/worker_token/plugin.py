"""A plugin that lives outside the repository."""

from __future__ import annotations

from core.plugin import Plugin

NAME = "worker-token"
VERSION = "2.0.0"


class AcmePlugin(Plugin):
    """Does nothing."""

    name = NAME
    version = VERSION
    plugin_api = ">=1.0,<2"
