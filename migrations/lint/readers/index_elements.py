"""Reads the parenthesised elements of an index: columns, expressions, collations, operator classes."""

from __future__ import annotations

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Indexes
from migrations.lint.lexer import NUMBER, STRING, WORD
from migrations.lint.names import Name
from migrations.lint.readers.expression import collation, group, step


def elements(c: Cursor, table: Name, *, exclusion: bool = False) -> None:
    """Read ``(column | (expression) | call(…) [COLLATE …] [class] [ASC|DESC] [NULLS …] [WITH operator], …)``."""
    at = c.at
    c.expect_sign("(")
    columns: list[str] = []
    while True:
        columns.append(_element(c))
        if exclusion:
            c.expect("with")
            _operator(c)
        if not c.take_sign(","):
            break
    c.expect_sign(")")
    if columns[0]:
        c.add(Indexes(at, table, tuple(columns)))


def _element(c: Cursor) -> str:
    """Read one element, and return its column or an empty text for an expression."""
    plain = c.at_name(()) and c.peek().text not in ("(", ".")
    name = c.word() if plain else ""
    if not plain:
        step(c)
    if c.take("collate"):
        collation(c)
    if not c.at_word("asc", "desc", "nulls", "with") and c.at_name():
        _operator_class(c)
    c.take_any("asc", "desc")
    if c.take("nulls"):
        c.take_any("first", "last")
    return name


def _operator_class(c: Cursor) -> None:
    name = c.name()
    c.labels.add(name.last)
    if name.parts[:-1] not in ((), ("pg_catalog",)):
        c.refuse("M002", f"operator class {name}: only the default schemas' objects may be named", name.at)
    if c.at_sign("("):
        group(c)


def _operator(c: Cursor) -> None:
    """Take the operator of an exclusion, plain or as ``OPERATOR(pg_catalog.=)``."""
    if c.token.kind == WORD:
        step(c)
    elif c.token.kind in (STRING, NUMBER) or c.at_sign("(", ",", ")"):
        raise c.unreadable("expected an operator")
    else:
        c.next()
