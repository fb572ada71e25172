"""Patterns of paths: ``*`` matches one segment, ``**`` any number of them, any other segment only itself.

A pattern is matched against decoded segments, so that it matches every spelling of a path. All spellings of a UUID are
one segment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote
from uuid import UUID

from core.errors import ConfigError

Segment = frozenset[str] | None
"""The names of one segment, made by ``names``. Only stars match an empty set; every pattern matches None."""

UNNAMED: Segment = frozenset()
ANYTHING: Segment = None

_ONE, _MANY = "*", "**"


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A pattern of paths.

    Attributes:
        parts: a star, or the name of a segment in a tuple of one, because the name may look like a star.
    """

    parts: tuple[str | tuple[str], ...]

    def matches(self, path: Sequence[Segment]) -> bool:
        """Return whether the pattern matches the whole path."""
        ends = {0}
        for part in self.parts:
            if part == _MANY:
                ends = set(range(min(ends), len(path) + 1))
            else:
                ends = {end + 1 for end in ends if end < len(path) and _fits(part, path[end])}
            if not ends:
                return False
        return len(path) in ends


def compiled(pattern: str) -> PathPattern:
    """Return the pattern of a text, in which percent-encoded characters mean the characters.

    Raises:
        ConfigError: the text does not begin with a slash, or a star is only a part of a segment.
    """
    if not pattern.startswith("/"):
        raise ConfigError(f"the path {pattern!r} must begin with '/'")
    parts: list[str | tuple[str]] = []
    for segment in pattern[1:].split("/"):
        if segment in {_ONE, _MANY}:
            parts.append(segment)
        elif "*" in segment:
            raise ConfigError(f"the path {pattern!r}: '*' stands for a whole segment; write '/*/' or '/**'")
        else:
            parts.append((_name(unquote(segment)),))
    return PathPattern(tuple(parts))


def names(texts: Iterable[str]) -> Segment:
    """Return a segment with all of these decoded texts as names."""
    return frozenset(map(_name, texts))


def segments(path: str) -> list[Segment]:
    """Return the segments of a decoded path."""
    return [names([text]) for text in path[1:].split("/")]


def excluded(pattern: str) -> re.Pattern[str]:
    """Return an excluded path as a regular expression; a trailing star matches every path with that beginning."""
    if pattern.endswith("*"):
        return re.compile(re.escape(pattern.rstrip("*")) + ".*", re.DOTALL)
    return re.compile(re.escape(pattern))


_UUID_DIGITS = 32
"""No spelling of a UUID is shorter."""


def _fits(part: str | tuple[str], segment: Segment) -> bool:
    return segment is None or part == _ONE or part[0] in segment


def _name(text: str) -> str:
    """Return the text; a UUID in its canonical spelling."""
    if len(text) < _UUID_DIGITS:
        return text
    try:
        return str(UUID(text))
    except ValueError:
        return text
