"""Reads CREATE TABLE in all its forms: plain, AS, PARTITION OF, INHERITS, LIKE, OF."""

from __future__ import annotations

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Creates, Joins, UsesType
from migrations.lint.names import Name
from migrations.lint.readers import columns
from migrations.lint.readers.expression import group
from migrations.lint.readers.index_elements import elements
from migrations.lint.readers.query import query

_BOUND_WORDS = ("in", "from", "to")


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
        if c.at_sign("("):
            _definitions(c, name, typed=True)
    elif c.at_sign("("):
        _definitions(c, name)
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
        group(c)
        return
    while c.take_any(*_BOUND_WORDS):
        group(c)


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
        name = c.word()
        c.take("with options")
        columns.column_constraints(c, table, name)
    elif c.peek().text in (",", ")"):
        c.word()  # CREATE TABLE t (a, b) AS SELECT …
    else:
        columns.column(c, table)


def _like(c: Cursor, table: Name) -> None:
    source = c.name()
    copies = set()
    while word := c.take_any("including", "excluding"):
        part = c.word()
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
        c.word()
        elements(c, name)
    if c.take("using"):
        _method(c)
    if c.take("with"):
        group(c)
    c.take("without oids")
    at = c.at
    if c.take("on commit"):
        raise c.unreadable("ON COMMIT belongs to temporary tables")
    if c.take("tablespace"):
        c.refuse("M060", f"table space {c.word()}: where data lies is the operator's decision", at)
    if c.take("as"):
        _as_query(c)


def _method(c: Cursor) -> None:
    at, method = c.at, c.word()
    if method != "heap":
        c.refuse("M060", f"access method {method}: how data is stored is the operator's decision", at)


def _as_query(c: Cursor) -> None:
    if c.at_word("execute"):
        c.refuse("M043", "CREATE TABLE AS EXECUTE runs a prepared statement that the check cannot see")
        while not c.done:
            c.next()
        return
    query(c, frozenset({"with"}))
    if c.take("with"):
        c.take("no")
        c.expect("data")
