"""The plugins of the running edition, checked as a set and asked in order."""

from server.plugin_registry.registry import PluginRegistry

__all__ = ["PluginRegistry"]
