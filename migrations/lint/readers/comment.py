"""Reads COMMENT ON and ANALYZE: small statements about one object."""

from __future__ import annotations

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Changes
from migrations.lint.lexer import STRING
from migrations.lint.readers.function import signature

_ROUTINES = ("function", "procedure", "routine")
_ON_TABLE = ("constraint", "trigger", "policy")


def comment(c: Cursor, kind: str) -> None:
    """Read COMMENT ON behind its kind."""
    if kind in _ON_TABLE:
        c.column()
        c.expect("on")
        c.take("domain")
    name = c.routine() if kind in (*_ROUTINES, "type", "domain") else c.name()
    if kind == "column":
        name = name.without_last()
        if not name.parts:
            raise c.unreadable("expected table.column")
    if kind in _ROUTINES:
        signature(c)
    c.add(Changes(name.at, "table" if kind in (*_ON_TABLE, "column") else kind, name, "COMMENT"))
    c.expect("is")
    if not c.take("null") and c.next().kind not in (STRING, "dollar", "escaped"):
        raise c.unreadable("expected the comment's text")


def analyze(c: Cursor) -> None:
    """Read ANALYZE of named tables behind its word."""
    c.take("verbose")
    if c.done or c.at_sign("("):
        c.refuse("M052", "ANALYZE without a table reads the whole database; name the plugin's tables")
        while not c.done:
            c.next()
        return
    while True:
        name = c.name()
        c.add(Changes(name.at, "table", name, "ANALYZE"))
        if c.at_sign("("):
            c.words_in_parens()
        if not c.take_sign(","):
            return
