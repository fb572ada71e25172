"""Reads hash locks (names, versions, hashes; no addresses) and the names with extras that were asked for.

The wheelhouse fetches several locks as one, so a wheel that two locks name must be the same wheel in both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_PINNED = re.compile(r"(?P<name>[a-z0-9][a-z0-9.-]*)==(?P<version>[^\s;\\]+)")
_WITH_EXTRAS = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)\[(?P<extras>[^\]]+)\]", re.MULTILINE)

_ENTRY = re.compile(r"[^=]+==(?P<version>[^\s;]+)\s*(?:;(?P<marker>[^\\]*))?(?P<hashes>\\.*)", re.DOTALL)
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]+)")
_LABEL_START = re.compile(r"^@@?(?=//)|^@(?=@)")
"""Bazel's signs for the main workspace, and for names that are final."""

_CURE = (
    "Lock the plugin's wheels again, with the server's versions as constraints"
    " (./bazelw run @flovyn_server//editions:lock); where they do not fit, change the plugin's requirements"
)


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


@dataclass(frozen=True, slots=True)
class Lock:
    """One hash lock.

    Attributes:
        name: the lock's name in messages: a label, or the name of its file.
        entries: entry by wheel.
    """

    name: str
    entries: Mapping[str, str]

    @classmethod
    def read(cls, path: Path, name: str = "") -> Lock:
        """Read a lock; without a name, it is called like its file.

        Raises:
            LockError: it is no lock.
        """
        shown = _LABEL_START.sub("", name) or path.name
        return cls(shown, parse_lock(path.read_text(encoding="utf-8"), shown))


def merge(locks: Iterable[Lock]) -> dict[str, str]:
    """Return the entries of all locks as one set; of an entry that several locks have, the first lock's hashes.

    Raises:
        LockError: two locks pin other versions of one wheel, or other files.
    """
    merged: dict[str, str] = {}
    owner: dict[str, str] = {}
    for lock in locks:
        for name, entry in lock.entries.items():
            first = owner.setdefault(name, lock.name)
            merged[name] = _same(name, (first, merged[name]), (lock.name, entry)) if name in merged else entry
    return merged


def merge_locks(locks: Iterable[Path]) -> dict[str, str]:
    """Return the entries of all locks, which are called like their files, as one set.

    Raises:
        LockError: as ``merge``.
    """
    return merge(map(Lock.read, locks))


def split_entry(entry: str) -> tuple[str, str, str]:
    """Return the version, the marker (or nothing) and the hashes of an entry."""
    match = _ENTRY.fullmatch(entry)
    assert match is not None, "parse_lock reads only pinned entries"
    return match["version"], (match["marker"] or "").strip(), match["hashes"]


def _same(name: str, first: tuple[str, str], second: tuple[str, str]) -> str:
    """The one entry for a wheel that two locks, each given with its entry, pin."""
    version, marker, hashes = split_entry(first[1])
    other, other_marker, other_hashes = split_entry(second[1])
    if version != other:
        raise LockError(
            f"{name}: {first[0]} pins {version}, but {second[0]} pins {other}; an edition has one version of each"
            f" wheel. {_CURE}"
        )
    if set(_HASH.findall(hashes)).isdisjoint(_HASH.findall(other_hashes)):
        raise LockError(f"{name} {version}: {first[0]} and {second[0]} pin other files (no hash is in both). {_CURE}")
    either = sorted({marker, other_marker})
    joined = "" if "" in either else " or ".join(f"({each})" for each in either) if len(either) > 1 else marker
    return f"{name}=={version} {f'; {joined} ' if joined else ''}{hashes}"


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
