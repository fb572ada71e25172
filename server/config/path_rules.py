"""Patterns of paths: ``*`` is one segment, ``**`` any number of them, everything else itself.

A pattern is matched against segments that are decoded already, so that every spelling of a path is met alike. A segment
that is a UUID means the UUID, however it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote
from uuid import UUID

from core.errors import ConfigError

Segment = frozenset[str] | None
"""The names of one segment, as ``names`` makes them. An empty set is met by stars alone, None by every pattern."""

UNNAMED: Segment = frozenset()
ANYTHING: Segment = None

_ONE, _MANY = "*", "**"


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A pattern of paths.

    Attributes:
        parts: a star, or a segment's own name in a list of one, which may look like a star.
    """

    parts: tuple[str | tuple[str], ...]

    def matches(self, path: Sequence[Segment]) -> bool:
        """Whether the whole path fits the pattern."""
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
    """Return the pattern of a text; what is percent-encoded there means the same as if it were not.

    Raises:
        ConfigError: it does not begin with a slash, or a star is only a part of a segment.
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
    """Return the segment that any of these decoded texts stands for."""
    return frozenset(map(_name, texts))


def segments(path: str) -> list[Segment]:
    """Return the segments of a path in which nothing is encoded."""
    return [names([text]) for text in path[1:].split("/")]


def excluded(pattern: str) -> re.Pattern[str]:
    """Return an excluded path as a regular expression: exact, or everything that begins with it at a trailing star."""
    if pattern.endswith("*"):
        return re.compile(re.escape(pattern.rstrip("*")) + ".*", re.DOTALL)
    return re.compile(re.escape(pattern))


def _fits(part: str | tuple[str], segment: Segment) -> bool:
    return segment is None or part == _ONE or part[0] in segment


def _name(text: str) -> str:
    """Return the text, or a UUID in the one spelling that all its spellings are compared in."""
    try:
        return str(UUID(text))
    except ValueError:
        return text
