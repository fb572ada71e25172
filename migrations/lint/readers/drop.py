"""Reads DROP and TRUNCATE, each item of a list."""

from __future__ import annotations

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Concurrent, Drops
from migrations.lint.readers.alter_table import cascade
from migrations.lint.readers.function import signature

_ROUTINES = ("function", "procedure", "routine")
_NAMED_LIKE_TYPES = (*_ROUTINES, "type", "domain")
_ON_TABLE = ("trigger", "policy")


def drop(c: Cursor, kind: str) -> None:
    """Read DROP behind its kind."""
    at = c.at
    if c.take("concurrently"):
        if kind != "index":
            raise c.unreadable("only an index is dropped CONCURRENTLY")
        c.add(Concurrent(at, "DROP INDEX CONCURRENTLY"))
    c.if_exists()
    while True:
        _item(c, kind)
        if not c.take_sign(","):
            break
    cascade(c, f"DROP {kind.upper()}")


def _item(c: Cursor, kind: str) -> None:
    part = ""
    if kind in _ON_TABLE:
        part = c.column()
        c.expect("on")
    name = c.routine() if kind in _NAMED_LIKE_TYPES else c.name()
    c.add(Drops(name.at, "DROP", kind, name, part))
    if kind in _ROUTINES:
        signature(c)


def truncate(c: Cursor) -> None:
    """Read TRUNCATE behind its word."""
    c.take("table")
    while True:
        only = c.take("only")
        parens = only and c.take_sign("(")
        name = c.name()
        if parens:
            c.expect_sign(")")
        c.take_sign("*")
        c.add(Drops(name.at, "TRUNCATE", "table", name))
        if not c.take_sign(","):
            break
    if c.take("restart") or c.take("continue"):
        c.expect("identity")
    cascade(c, "TRUNCATE")
