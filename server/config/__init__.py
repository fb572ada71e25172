"""Configuration: one TOML file and the environment, validated at once; see ``server.config.settings``."""

from server.config.load import load
from server.config.settings import Settings

__all__ = ["Settings", "load"]
