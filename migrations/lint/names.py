"""The owner of a name: the plugin, another plugin, or the server.

This is the heart of the check: PostgreSQL has one name space for all plugins, and only the prefix of
``core.migration`` keeps plugins apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from core.migration import MAX_PLUGIN_NAME, table_prefix

MAX_NAME_BYTES = 63
"""PostgreSQL cuts longer names, so two long ones may be one."""

PUBLISHED_TABLES = ("tenant", "workflow_execution", "task_execution", "worker")
"""Core tables that a plugin's foreign keys may reference; their key columns are stable."""

PUBLIC = "public"
Owner = Literal["plugin", "other plugin", "server", "elsewhere"]

_ANY_PLUGIN = re.compile(r"p_([a-z][a-z0-9]*(?:_[a-z0-9]+)*)__.*", re.DOTALL)
_LOCAL = re.compile(r"[a-z0-9_]+")
_CLEAN = re.compile(r"[a-z_][a-z0-9_$]*")


@dataclass(frozen=True, slots=True)
class Name:
    """A possibly qualified name as PostgreSQL understands it: unquoted parts are folded.

    Attributes:
        parts: the parts between the dots.
        at: offset of the first part in the file.
    """

    parts: tuple[str, ...]
    at: int = 0

    @property
    def last(self) -> str:
        """The object's own name, without its schema."""
        return self.parts[-1]

    @property
    def schema(self) -> str | None:
        """The schema that is written before the name, if any."""
        return self.parts[-2] if len(self.parts) > 1 else None

    @property
    def bare(self) -> bool:
        """Whether the name means the default schema."""
        return len(self.parts) == 1 or self.parts[:-1] == (PUBLIC,)

    def without_last(self) -> Name:
        """Return the table of a ``table.column``."""
        return Name(self.parts[:-1], self.at)

    def __str__(self) -> str:
        return ".".join(self.parts)


class Ownership:
    """Tells the names of one plugin from all others."""

    def __init__(self, plugin: str) -> None:
        self.prefix = table_prefix(plugin)
        self._own: dict[str, bool] = {}

    def has_prefix(self, name: str) -> bool:
        """Whether a bare name is one of this plugin's: its prefix, then ``[a-z0-9_]+``, at most 63 bytes."""
        own = self._own.get(name)
        if own is None:
            local = name.removeprefix(self.prefix)
            own = local != name and len(name) <= MAX_NAME_BYTES and _LOCAL.fullmatch(local) is not None
            self._own[name] = own
        return own

    def owner(self, name: Name) -> Owner:
        """Return the owner of the object that the name means."""
        if not name.bare:
            return "elsewhere"
        if self.has_prefix(name.last):
            return "plugin"
        return "other plugin" if plugin_of(name.last) is not None else "server"

    def owns(self, name: Name) -> bool:
        """Whether the name means an object of this plugin."""
        return self.owner(name) == "plugin"


def plugin_of(name: str) -> str | None:
    """Return which plugin's prefix a bare name carries, as SQL writes the plugin's name."""
    found = _ANY_PLUGIN.fullmatch(name)
    return found[1] if found and len(found[1]) <= MAX_PLUGIN_NAME else None


def is_clean(name: str) -> bool:
    """Whether a name looks the same quoted and unquoted: lower case ASCII."""
    return _CLEAN.fullmatch(name) is not None
