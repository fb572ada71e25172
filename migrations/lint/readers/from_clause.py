"""Reads FROM and USING: relations, functions, subqueries, joins and their aliases."""

from __future__ import annotations

from collections.abc import Collection

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Calls, Reads
from migrations.lint.keywords import NOT_A_NAME
from migrations.lint.readers import expression, query
from migrations.lint.readers.types import type_name

_JOIN_WORDS = ("natural", "inner", "left", "right", "full", "cross", "join")
_SET_WORDS = ("union", "intersect", "except", "order", "limit", "offset", "fetch", "for")
_ON_STOPS = frozenset(
    """
    natural inner left right full cross join where group having window order limit offset fetch for union intersect
    except returning on when set then
    """.split()
)


def from_items(c: Cursor) -> None:
    """Read a list of FROM items."""
    _joined(c)
    while c.take_sign(","):
        _joined(c)


def _joined(c: Cursor) -> None:
    _item(c)
    while c.at_word(*_JOIN_WORDS):
        bare = c.at_word("cross", "natural")
        while c.take_any(*_JOIN_WORDS, "outer"):
            pass
        _item(c)
        if c.at_word(*_JOIN_WORDS):
            _joined_tail(c)
        if not bare:
            _condition(c)


def _joined_tail(c: Cursor) -> None:
    """Read joins that nest to the right: ``a JOIN b JOIN c ON … ON …``."""
    while c.at_word(*_JOIN_WORDS):
        bare = c.at_word("cross", "natural")
        while c.take_any(*_JOIN_WORDS, "outer"):
            pass
        _item(c)
        if not bare:
            _condition(c)


def _condition(c: Cursor) -> None:
    if c.take("on"):
        expression.walk(c, _ON_STOPS)
    elif c.take("using"):
        c.words_in_parens()
        if c.take("as"):
            c.word()


def _item(c: Cursor) -> None:
    c.take("lateral")
    if c.at_sign("("):
        _parenthesis(c)
        alias(c)
    elif c.at_words("rows from"):
        c.take("rows from")
        _rows_from(c)
        alias(c)
    else:
        _relation(c)


def _parenthesis(c: Cursor) -> None:
    if c.peek().text in expression.STATEMENT_WORDS and c.peek().kind == "word":
        expression.group(c)
        return
    c.expect_sign("(")
    from_items(c)
    if c.at_word(*_SET_WORDS):
        query.clauses(c)
    elif c.at_word("select", "with"):
        query.query(c)
    c.expect_sign(")")


def _rows_from(c: Cursor) -> None:
    c.expect_sign("(")
    while True:
        _function(c)
        if c.take("as"):
            _columns(c)
        if not c.take_sign(","):
            break
    c.expect_sign(")")


def _function(c: Cursor) -> None:
    name = c.name()
    c.add(Calls(name.at, name))
    expression.group(c)


def _relation(c: Cursor) -> None:
    only = c.take("only")
    parens = only and c.take_sign("(")
    at = c.index
    name = c.name()
    if c.at_sign("("):
        c.index = at
        expression.step(c)
        if c.take("with"):
            c.expect("ordinality")
        alias(c)
        return
    if parens:
        c.expect_sign(")")
    c.take_sign("*")
    known = len(name.parts) == 1 and name.last in c.common_tables
    called = alias(c)
    if not known:
        c.add(Reads(name.at, name, called or name.last))
    if c.take("tablesample"):
        _function(c)
        if c.take("repeatable"):
            expression.group(c)


def alias(c: Cursor, reserved: Collection[str] = NOT_A_NAME) -> str:
    """Take ``[AS] name [(columns)]``, and return the name or an empty text."""
    if c.take("as"):
        if c.at_sign("("):
            _columns(c)
            return ""
        name = c.word()
    elif c.at_name(reserved):
        name = c.word()
    else:
        return ""
    if c.at_sign("("):
        _columns(c)
    return name


def _columns(c: Cursor) -> None:
    """Read an alias's columns, with types when the function returns records."""
    c.expect_sign("(")
    while True:
        c.word()
        if not c.at_sign(",", ")"):
            type_name(c)
            if c.take("collate"):
                c.name()
        if not c.take_sign(","):
            break
    c.expect_sign(")")
