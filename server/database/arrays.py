"""Python lists as PostgreSQL arrays: one pass over the list for the element types that batches are made of.

psycopg's own dumper examines every list twice for its element type and dumps each element through a dumper of its own,
for any type and depth. The statements of a batch carry up to twenty lists, so this took 7 % of the server's time.
Lists of other types, and nested ones, are left to psycopg.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.abc import DumperKey
from psycopg.adapt import Dumper, PyFormat
from psycopg.types.array import ListDumper

UNKNOWN: Final = 0
"""The type is taken from the statement, as with psycopg's own lists of text."""


def _texts(items: Iterable[str | None]) -> Iterable[str]:
    # inside of the quotes, only these two characters have a meaning
    return ("NULL" if each is None else '"' + each.replace("\\", "\\\\").replace('"', '\\"') + '"' for each in items)


def _uuids(items: Iterable[UUID | None]) -> Iterable[str]:
    return ("NULL" if each is None else f"{each.int:032x}" for each in items)


def _integers(items: Iterable[int | None]) -> Iterable[str]:
    return ("NULL" if each is None else str(each) for each in items)


def _booleans(items: Iterable[bool | None]) -> Iterable[str]:
    return ("NULL" if each is None else "t" if each else "f" for each in items)


def _times(items: Iterable[datetime | None]) -> Iterable[str]:
    return ("NULL" if each is None else f'"{each}"' for each in items)


_WRITERS: Final[dict[type, tuple[int, Callable[[Iterable[Any]], Iterable[str]]]]] = {
    str: (UNKNOWN, _texts),
    UUID: (2951, _uuids),
    int: (1016, _integers),
    bool: (1000, _booleans),
    datetime: (1185, _times),
}
"""Element type -> OID of the array type (uuid[], bigint[], boolean[], timestamptz[]), and the writer."""

_KEYS: Final[dict[type, DumperKey]] = {kind: (list, list, kind) for kind in _WRITERS}


class _OnePass(Dumper):
    """Writes the lists of one element type."""

    write: Callable[[Iterable[Any]], Iterable[str]]

    def dump(self, obj: list[Any]) -> bytes:
        """Return the text form of the array."""
        return ("{" + ",".join(self.write(obj)) + "}").encode()


class ArrayDumper(ListDumper):
    """Chooses the writer by the first element that is not None; all elements of a list have one type."""

    def get_key(self, obj: list[Any], format: PyFormat) -> DumperKey:  # noqa: A002 - the name is psycopg's
        """Return the key of the writer, which psycopg keeps for each cursor."""
        kind = _kind(obj)
        return _KEYS[kind] if kind in _WRITERS else super().get_key(obj, format)

    def upgrade(self, obj: list[Any], format: PyFormat) -> Dumper:  # type: ignore[override]  # noqa: A002
        """Return the writer of the list's element type."""
        kind = _kind(obj)
        if kind not in _WRITERS:
            return super().upgrade(obj, format)
        dumper = _OnePass(list)
        dumper.oid, dumper.write = _WRITERS[kind]
        return dumper


def _kind(items: list[Any]) -> type:
    for each in items:
        if each is not None:
            kind = type(each)
            # times without a zone are another type for PostgreSQL
            return type(None) if kind is datetime and each.tzinfo is None else kind
    return type(None)
