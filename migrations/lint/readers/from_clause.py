"""Reads FROM and USING: relations, functions, subqueries, joins and their aliases."""

from __future__ import annotations

from collections.abc import Collection

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Calls, Reads
from migrations.lint.keywords import NOT_A_NAME
from migrations.lint.lexer import PUNCT, QUOTED, WORD
from migrations.lint.readers import call, query, special
from migrations.lint.readers import expression as ex
from migrations.lint.readers.types import type_name

_SIDES = ("left", "right", "full")
_JOIN_WORDS = ("natural", "inner", *_SIDES, "cross", "join")
_CALL_WORDS = frozenset(
    "coalesce greatest least nullif current_date current_time current_timestamp localtime localtimestamp current_user"
    " session_user current_catalog current_role user cast extract overlay position substring trim normalize".split()
)


def from_items(c: Cursor) -> None:
    """Read a list of FROM items."""
    c.listed(item)


def item(c: Cursor) -> None:
    """Read one FROM item with its joins."""
    _primary(c)
    _joins(c)


def _joins(c: Cursor) -> None:
    while c.at_word(*_JOIN_WORDS):
        conditional = not c.at_word("cross", "natural")
        if c.take("cross"):
            c.expect("join")
        else:
            c.take("natural")
            if c.take_any(*_SIDES):
                c.take("outer")
            else:
                c.take("inner")
            c.expect("join")
        _primary(c)
        if conditional:
            _joins(c)  # a JOIN b JOIN c ON … ON …
            _condition(c)


def _condition(c: Cursor) -> None:
    if c.take("on"):
        ex.expression(c)
        return
    c.expect("using")
    c.words_in_parens()
    if c.take("as"):
        c.column()


def _primary(c: Cursor) -> None:
    lateral = c.take("lateral")
    if c.at_sign("("):
        _parenthesis(c)
    elif c.take("rows from"):
        _rows_from(c)
        alias(c, function=True)
    elif c.at_word("xmltable") and c.peek().text == "(":
        _xml_table(c)
        alias(c)
    elif c.at_word("json_table") and c.peek().text == "(":
        c.refuse("M072", "JSON_TABLE needs PostgreSQL 17; 15 and newer are supported")
        c.next()
        special.skip_parens(c)
        alias(c)
    elif _is_call(c):
        _function_item(c)
    elif lateral:
        raise c.unreadable("expected a query or a function")
    else:
        relation(c, aliased=True)


def _parenthesis(c: Cursor) -> None:
    """Read a subquery, or joins in parentheses, and the alias."""
    at = c.at
    if _content(c) == "query":
        if not alias(c):
            c.refuse("M072", "a subquery without an alias needs PostgreSQL 16; 15 and newer are supported", at)
    elif c.at_word("as") or c.at_name():
        alias(c)


def _content(c: Cursor) -> str:
    """Read ``( … )`` in FROM, and return whether it was a ``query`` or a ``join``."""
    at = c.at
    c.expect_sign("(")
    kind = "join"
    if query.begins(c):
        query.query(c)
        kind = "query"
    elif c.at_sign("("):
        kind = _content(c)
        if kind == "query" and query.continues(c):
            query.rest(c)
        elif kind == "join" or not c.at_sign(")"):
            if not alias(c) and kind == "query":
                c.refuse("M072", "a subquery without an alias needs PostgreSQL 16; 15 and newer are supported", at)
            kind = "join"
            _joins(c)
    else:
        _primary(c)
        if not c.at_word(*_JOIN_WORDS):
            raise c.unreadable("expected JOIN")
        _joins(c)
    c.expect_sign(")")
    return kind


def _rows_from(c: Cursor) -> None:
    def function(c: Cursor) -> None:
        ex.call_only(c)
        if c.take("as"):
            _columns(c, typed=True)

    c.enclosed(lambda c: c.listed(function))
    _ordinality(c)


def _ordinality(c: Cursor) -> None:
    if c.take("with"):
        c.expect("ordinality")


def _function_item(c: Cursor) -> None:
    ex.call_only(c)
    _ordinality(c)
    alias(c, function=True)


def _is_call(c: Cursor) -> bool:
    """Whether a function comes next: a possibly qualified name in front of a parenthesis."""
    if c.token.kind == WORD and c.token.text in _CALL_WORDS:
        return True
    ahead = 1
    while c.peek(ahead).text == "." and c.peek(ahead).kind == PUNCT:
        ahead += 2
    return c.token.kind in (WORD, QUOTED) and c.peek(ahead).text == "(" and not c.at_word("only")


def relation(c: Cursor, *, aliased: bool = False) -> None:
    """Read a table or view, with its alias and TABLESAMPLE in FROM."""
    parens = c.take("only") and c.take_sign("(")
    if not c.at_name():
        raise c.unreadable("expected a table")
    name = c.name()
    if parens:
        c.expect_sign(")")
    c.take_sign("*")
    known = len(name.parts) == 1 and name.last in c.common_tables
    called = alias(c) if aliased else ""
    if not known:
        c.add(Reads(name.at, name, called or name.last))
        c.aliases.append((called or name.last, name))
    if aliased and c.take("tablesample"):
        method = c.name()
        c.add(Calls(method.at, method))
        c.enclosed(ex.expressions)
        if c.take("repeatable"):
            ex.in_parens(c)


def alias(c: Cursor, reserved: Collection[str] = NOT_A_NAME, *, function: bool = False) -> str:
    """Read ``[AS] name [(columns)]``, and return the name or an empty text; the columns alone count as a name."""
    if c.take("as"):
        if function and c.at_sign("("):
            _columns(c, typed=True)
            return "()"
        name = c.column()
    elif c.at_name(reserved):
        name = c.column()
    else:
        return ""
    if c.at_sign("("):
        _columns(c)
    return name


def _columns(c: Cursor, *, typed: bool = False) -> None:
    """Read an alias's columns, with types when the function returns records."""
    typed = typed or c.peek(2).text not in (",", ")")

    def column(c: Cursor) -> None:
        c.column()
        if typed:
            type_name(c)
            if c.take("collate"):
                call.collation(c)

    c.enclosed(lambda c: c.listed(column))


def _xml_table(c: Cursor) -> None:
    """Read ``XMLTABLE([XMLNAMESPACES (…),] row PASSING document COLUMNS …)``."""
    c.next()
    c.enclosed(_xml_rows)


def _xml_rows(c: Cursor) -> None:
    if c.at_word("xmlnamespaces") and c.peek().text == "(":
        c.next()
        c.enclosed(lambda c: c.listed(_name_space))
        c.expect_sign(",")
    special.passing(c)
    c.expect("columns")
    c.listed(_xml_column)


def _name_space(c: Cursor) -> None:
    c.take("default")
    ex.expression(c)
    if c.take("as"):
        c.label()


def _xml_column(c: Cursor) -> None:
    c.column()
    if c.take("for ordinality"):
        return
    type_name(c)
    while c.at_word("path", "default", "not", "null"):
        if c.take("not"):
            c.expect("null")
        elif not c.take("null"):
            c.next()
            ex.simple_expression(c)
