"""Reads the parenthesised elements of an index: columns, expressions, collations, operator classes."""

from __future__ import annotations

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Indexes
from migrations.lint.lexer import OP
from migrations.lint.names import Name
from migrations.lint.operators import is_class
from migrations.lint.readers import call
from migrations.lint.readers import expression as ex
from migrations.lint.readers.options import options
from migrations.lint.readers.window import nulls


def elements(c: Cursor, table: Name, *, exclusion: bool = False) -> None:
    """Read ``(column | (expression) | call(…) [COLLATE …] [class] [ASC|DESC] [NULLS …] [WITH operator], …)``."""
    at = c.at
    columns = _elements(c, exclusion=exclusion)
    if columns[0]:
        c.add(Indexes(at, table, tuple(columns)))


def conflict_target(c: Cursor) -> None:
    """Read the elements behind ON CONFLICT."""
    _elements(c)


def _elements(c: Cursor, *, exclusion: bool = False) -> list[str]:
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
    return columns


def _element(c: Cursor) -> str:
    """Read one element, and return its column or an empty text for an expression."""
    name = ""
    if c.at_sign("("):
        ex.in_parens(c)
    elif c.at_name() and c.peek().text not in ("(", "."):
        name = c.column()
    else:
        ex.call_only(c)
    if c.take("collate"):
        call.collation(c)
    if not c.at_word("asc", "desc", "nulls", "with") and c.at_name():
        operator_class(c)
    c.take_any("asc", "desc")
    nulls(c)
    return name


def operator_class(c: Cursor) -> None:
    """Read the name of an operator class and its parameters."""
    """Read the name of an operator class and its parameters."""
    name = c.name()
    c.labels.add(name.last)
    if name.parts[:-1] not in ((), ("pg_catalog",)):
        c.refuse("M002", f"operator class {name}: only the default schemas' objects may be named", name.at)
    elif not is_class(name.last):
        c.refuse("M034", f'operator class "{name}" is neither built in nor of a known extension', name.at)
    if c.at_sign("("):
        options(c)


def _operator(c: Cursor) -> None:
    """Take the operator of an exclusion, plain or as ``OPERATOR(pg_catalog.=)``."""
    if c.at_word("operator"):
        ex.operator(c)
    elif c.token.kind == OP:
        ex.known(c, c.next())
    else:
        raise c.unreadable("expected an operator")
