"""Reads CREATE TABLE in all its forms: plain, AS, PARTITION OF, INHERITS, LIKE, OF."""

from __future__ import annotations

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Creates, HasColumn, Joins, UsesType
from migrations.lint.lexer import NUMBER
from migrations.lint.names import Name
from migrations.lint.readers import columns
from migrations.lint.readers.expression import expressions
from migrations.lint.readers.index_elements import elements
from migrations.lint.readers.options import options
from migrations.lint.readers.query import query

_COPIED = tuple("all comments compression constraints defaults generated identity indexes statistics storage".split())


def create(c: Cursor) -> None:
    """Read CREATE TABLE behind its kind."""
    missing = c.take("if not exists")
    name = c.name()
    c.add(Creates(name.at, "table", name, if_missing=missing))
    if c.take("partition of"):
        _partition_of(c, name)
    elif c.take("of"):
        kind = c.name()
        c.add(UsesType(kind.at, kind))
        c.add(HasColumn(kind.at, name, None))
        if c.at_sign("("):
            _definitions(c, name, typed=True)
    elif c.at_sign("("):
        _definitions(c, name)
    else:
        c.bare_columns = True
    _options(c, name)


def _partition_of(c: Cursor, name: Name) -> None:
    parent = c.name()
    c.add(Joins(parent.at, name, parent, "partition"))
    if c.at_sign("("):
        _definitions(c, name, typed=True)
    partition_bound(c)


def partition_bound(c: Cursor) -> None:
    """Read ``FOR VALUES …`` or DEFAULT."""
    if c.take("default"):
        return
    c.expect("for values")
    if c.take("with"):
        _hash_bound(c)
    elif c.take("in"):
        _bounds(c)
    else:
        c.expect("from")
        _bounds(c)
        c.expect("to")
        _bounds(c)


def _hash_bound(c: Cursor) -> None:
    c.expect_sign("(")
    while c.take_any("modulus", "remainder"):
        if c.token.kind != NUMBER:
            raise c.unreadable("expected a number")
        c.next()
        c.take_sign(",")
    c.expect_sign(")")


def _bounds(c: Cursor) -> None:
    c.expect_sign("(")
    expressions(c)
    c.expect_sign(")")


def _definitions(c: Cursor, table: Name, *, typed: bool = False) -> None:
    c.expect_sign("(")
    if c.take_sign(")"):
        return
    while True:
        _definition(c, table, typed=typed)
        if not c.take_sign(","):
            break
    c.expect_sign(")")


def _definition(c: Cursor, table: Name, *, typed: bool) -> None:
    if c.take("like"):
        _like(c, table)
    elif columns.at_constraint(c):
        columns.table_constraint(c, table)
    elif typed:
        name = c.column()
        c.take("with options")
        columns.column_constraints(c, table, name)
    elif c.peek().text in (",", ")"):
        c.column()
        c.bare_columns = True  # CREATE TABLE t (a, b) AS SELECT …
    else:
        columns.column(c, table)


def _like(c: Cursor, table: Name) -> None:
    source = c.name()
    copies = set()
    while word := c.take_any("including", "excluding"):
        part = c.take_any(*_COPIED)
        if not part:
            raise c.unreadable("expected what to copy")
        if word == "including":
            copies.add(part)
    how = "copied with defaults" if copies & {"all", "defaults", "generated", "identity"} else "copied"
    c.add(Joins(source.at, table, source, how))


def _options(c: Cursor, name: Name) -> None:
    """Read what follows the columns."""
    if c.take("inherits"):
        c.expect_sign("(")
        for parent in c.names():
            c.add(Joins(parent.at, name, parent, "inheritance"))
        c.expect_sign(")")
    if c.take("partition by"):
        c.column()
        elements(c, name)
    if c.take("using"):
        _method(c)
    if c.take("with"):
        options(c)
    c.take("without oids")
    at = c.at
    if c.take("on commit"):
        raise c.unreadable("ON COMMIT belongs to temporary tables")
    if c.take("tablespace"):
        c.refuse("M060", f"table space {c.column()}: where data lies is the operator's decision", at)
    if c.take("as"):
        c.add(HasColumn(at, name, None))
        _as_query(c)
    elif c.bare_columns:
        raise c.unreadable("a column has no type")


def _method(c: Cursor) -> None:
    at, method = c.at, c.column()
    if method != "heap":
        c.refuse("M060", f"access method {method}: how data is stored is the operator's decision", at)


def _as_query(c: Cursor) -> None:
    if c.at_word("execute"):
        c.refuse("M043", "CREATE TABLE AS EXECUTE runs a prepared statement that the check cannot see")
        while not c.done:
            c.next()
        return
    query(c)
    if c.take("with"):
        c.take("no")
        c.expect("data")
