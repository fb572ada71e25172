"""Finds where two files that should be equal begin to differ; inside of archives, in which member.

The first difference usually shows the cause: a time, a path or an order.
"""

from __future__ import annotations

import zipfile
from itertools import zip_longest
from pathlib import Path

_CONTEXT = 40
_FACTS = ("date_time", "external_attr", "compress_type", "create_system", "extra", "comment")


def first_difference(one: Path, other: Path) -> str | None:
    """Return where the files differ first and what stands there in each, or None when they are equal."""
    ours, theirs = one.read_bytes(), other.read_bytes()
    if ours == theirs:
        return None
    if zipfile.is_zipfile(one) and zipfile.is_zipfile(other):
        with zipfile.ZipFile(one) as first, zipfile.ZipFile(other) as second:
            found = _in_archives(first, second)
        if found:
            return found
    return _in_bytes("the file", ours, theirs)


def _in_archives(one: zipfile.ZipFile, other: zipfile.ZipFile) -> str | None:
    """The first member that differs by place, content or what the archive says of it."""
    for ours, theirs in zip_longest(one.infolist(), other.infolist()):
        if ours is None or theirs is None or ours.filename != theirs.filename:
            names = [repr(each.filename) if each else "nothing" for each in (ours, theirs)]
            return _shown("the list of members", *names)
        content = one.read(ours), other.read(theirs)
        if content[0] != content[1]:
            return _in_bytes(f"member {ours.filename}", *content)
        for fact in _FACTS:
            if getattr(ours, fact) != getattr(theirs, fact):
                return _shown(f"{fact} of member {ours.filename}", *(repr(getattr(x, fact)) for x in (ours, theirs)))
    return None


def _in_bytes(what: str, ours: bytes, theirs: bytes) -> str:
    shorter = min(len(ours), len(theirs))
    at = next((index for index in range(shorter) if ours[index] != theirs[index]), shorter)
    around = slice(max(0, at - _CONTEXT), at + _CONTEXT)
    return _shown(f"{what}, at byte {at}", repr(ours[around]), repr(theirs[around]))


def _shown(what: str, ours: str, theirs: str) -> str:
    return f"{what}\n  here:  {ours}\n  there: {theirs}"
