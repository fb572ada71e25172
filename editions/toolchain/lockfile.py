"""Reads hash locks (names, versions, hashes; no addresses) and the names with extras that were asked for.

The wheelhouse fetches several locks as one, so a wheel that two locks name must be the same wheel in both.
"""

from __future__ import annotations

import re
from pathlib import Path

_PINNED = re.compile(r"(?P<name>[a-z0-9][a-z0-9.-]*)==(?P<version>[^\s;\\]+)")
_WITH_EXTRAS = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)\[(?P<extras>[^\]]+)\]", re.MULTILINE)


class LockError(ValueError):
    """A lock cannot be used as it is; the message says which line and how to mend it."""


def parse_lock(text: str, source: str) -> dict[str, str]:
    """Return each wheel's entry (its requirement with all hashes) by name.

    Raises:
        LockError: a line is neither a pinned requirement nor a hash, or a requirement has no hash.
    """
    entries: dict[str, str] = {}
    for block in re.split(r"\n(?=\S)", _without_comments(text)):
        if not block.strip():
            continue
        match = _PINNED.match(block)
        if match is None or "--hash=sha256:" not in block:
            raise LockError(
                f"{source}: {block.splitlines()[0]!r} is not pinned by name==version and hashes; lock again"
            )
        entries[match["name"]] = block.rstrip()
    return entries


def merge_locks(locks: list[Path]) -> dict[str, str]:
    """Return the entries of all locks together.

    Raises:
        LockError: two locks name one wheel and disagree.
    """
    merged: dict[str, str] = {}
    for lock in locks:
        for name, entry in parse_lock(lock.read_text(encoding="utf-8"), lock.name).items():
            if merged.setdefault(name, entry) != entry:
                raise LockError(f"{lock.name}: {name} differs from an earlier lock; lock again with -c on that lock")
    return merged


def asked_extras(requirements: list[Path]) -> dict[str, set[str]]:
    """Return the extras that ``.in`` files ask for, by wheel: ``psycopg[binary]`` is ``{"psycopg": {"binary"}}``."""
    found: dict[str, set[str]] = {}
    for path in requirements:
        for match in _WITH_EXTRAS.finditer(path.read_text(encoding="utf-8")):
            extras = {extra.strip() for extra in match["extras"].split(",")}
            found.setdefault(match["name"].lower().replace("_", "-"), set()).update(extras)
    return found


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
