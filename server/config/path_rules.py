"""Patterns of paths: ``*`` is one segment, ``**`` any number of them, everything else itself."""

from __future__ import annotations

import re

from core.errors import ConfigError


def compiled(pattern: str) -> re.Pattern[str]:
    """Return the pattern as a regular expression for ``fullmatch``.

    Raises:
        ConfigError: it does not begin with a slash, or a star is only a part of a segment.
    """
    if not pattern.startswith("/"):
        raise ConfigError(f"the path {pattern!r} must begin with '/'")
    parts = []
    for segment in pattern[1:].split("/"):
        if segment == "**":
            parts.append("(?:/.*)?")
        elif segment == "*":
            parts.append("/[^/]+")
        elif "*" in segment:
            raise ConfigError(f"the path {pattern!r}: '*' stands for a whole segment; write '/*/' or '/**'")
        else:
            parts.append("/" + re.escape(segment))
    return re.compile("".join(parts), re.DOTALL)


def excluded(pattern: str) -> re.Pattern[str]:
    """Return an excluded path as a regular expression: exact, or everything that begins with it at a trailing star."""
    if pattern.endswith("*"):
        return re.compile(re.escape(pattern.rstrip("*")) + ".*", re.DOTALL)
    return re.compile(re.escape(pattern))
