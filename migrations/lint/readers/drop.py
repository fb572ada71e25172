"""Reads DROP, TRUNCATE, COMMENT ON and ANALYZE: statements that name objects and little else."""

from __future__ import annotations

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Changes, Concurrent, Drops
from migrations.lint.lexer import DOLLAR, ESCAPED, STRING
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
    c.listed(lambda c: _item(c, kind))
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
    c.listed(_truncated)
    if c.take("restart") or c.take("continue"):
        c.expect("identity")
    cascade(c, "TRUNCATE")


def _truncated(c: Cursor) -> None:
    parens = c.take("only") and c.take_sign("(")
    name = c.name()
    if parens:
        c.expect_sign(")")
    c.take_sign("*")
    c.add(Drops(name.at, "TRUNCATE", "table", name))


def comment(c: Cursor, kind: str) -> None:
    """Read COMMENT ON behind its kind."""
    on_table = kind in ("constraint", *_ON_TABLE)
    if on_table:
        c.column()
        c.expect("on")
        c.take("domain")
    name = c.routine() if kind in _NAMED_LIKE_TYPES else c.name()
    if kind == "column":
        name = name.without_last()
        if not name.parts:
            raise c.unreadable("expected table.column")
    if kind in _ROUTINES:
        signature(c)
    c.add(Changes(name.at, "table" if on_table or kind == "column" else kind, name, "COMMENT"))
    c.expect("is")
    if not c.take("null") and c.next().kind not in (STRING, DOLLAR, ESCAPED):
        raise c.unreadable("expected the comment's text")


def analyze(c: Cursor) -> None:
    """Read ANALYZE of named tables behind its word."""
    c.take("verbose")
    if c.done or c.at_sign("("):
        c.refuse("M052", "ANALYZE without a table reads the whole database; name the plugin's tables")
        c.skip_all()
        return
    c.listed(_analyzed)


def _analyzed(c: Cursor) -> None:
    name = c.name()
    c.add(Changes(name.at, "table", name, "ANALYZE"))
    if c.at_sign("("):
        c.words_in_parens()
