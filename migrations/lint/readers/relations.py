"""Reads CREATE TABLE in all its forms, CREATE VIEW, CREATE MATERIALIZED VIEW and REFRESH."""

from __future__ import annotations

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Changes, Creates, HasColumn, Joins, UsesType
from migrations.lint.lexer import NUMBER
from migrations.lint.names import Name
from migrations.lint.readers import columns
from migrations.lint.readers.expression import expressions
from migrations.lint.readers.index import elements, tablespace
from migrations.lint.readers.query import query
from migrations.lint.readers.types import options

_COPIED = tuple("all comments compression constraints defaults generated identity indexes statistics storage".split())


def create(c: Cursor) -> None:
    """Read CREATE TABLE behind its kind."""
    missing = c.take("if not exists")
    name = c.name()
    c.add(Creates(name.at, "table", name, if_missing=missing))
    if c.take("partition of"):
        parent = c.name()
        c.add(Joins(parent.at, name, parent, "partition"))
        if c.at_sign("("):
            _definitions(c, name, typed=True)
        partition_bound(c)
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


def partition_bound(c: Cursor) -> None:
    """Read ``FOR VALUES …`` or DEFAULT."""
    if c.take("default"):
        return
    c.expect("for values")
    if c.take("with"):
        c.enclosed(_hash_bound)
    elif c.take("in"):
        c.enclosed(expressions)
    else:
        c.expect("from")
        c.enclosed(expressions)
        c.expect("to")
        c.enclosed(expressions)


def _hash_bound(c: Cursor) -> None:
    while c.take_any("modulus", "remainder"):
        if c.token.kind != NUMBER:
            raise c.unreadable("expected a number")
        c.next()
        c.take_sign(",")


def _definitions(c: Cursor, table: Name, *, typed: bool = False) -> None:
    if c.peek().text == ")":
        c.enclosed(lambda _: None)
    else:
        c.enclosed(lambda c: c.listed(lambda c: _definition(c, table, typed=typed)))


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
            raise c.unreadable("expected the parts to copy")
        if word == "including":
            copies.add(part)
    how = "copied with defaults" if copies & {"all", "defaults", "generated", "identity"} else "copied"
    c.add(Joins(source.at, table, source, how))
    if copies & {"all", "indexes"}:
        c.add(Joins(source.at, table, source, "indexed like"))


def _options(c: Cursor, name: Name) -> None:
    """Read the clauses behind the columns."""
    if c.take("inherits"):
        c.expect_sign("(")
        for parent in c.names():
            c.add(Joins(parent.at, name, parent, "inheritance"))
        c.expect_sign(")")
    if c.take("partition by"):
        c.column()
        elements(c)
    _storage_method(c)
    if c.take("with"):
        options(c)
    c.take("without oids")
    if c.at_words("on commit"):
        raise c.unreadable("ON COMMIT belongs to temporary tables")
    tablespace(c)
    at = c.at
    if c.take("as"):
        c.add(HasColumn(at, name, None))
        _as_query(c)
    elif c.bare_columns:
        raise c.unreadable("a column has no type")


def _storage_method(c: Cursor) -> None:
    """Read ``USING method`` if it comes next; no method but heap is a plugin's choice."""
    at = c.at
    if c.take("using") and (method := c.column()) != "heap":
        c.refuse("M060", f"access method {method}: how data is stored is the operator's decision", at)


def _as_query(c: Cursor) -> None:
    if c.at_word("execute"):
        c.refuse("M043", "CREATE TABLE AS EXECUTE runs a prepared statement that the check cannot see")
        c.skip_all()
        return
    query(c)
    _with_data(c)


def _with_data(c: Cursor) -> None:
    """Read WITH [NO] DATA if it comes next."""
    if c.take("with"):
        c.take("no")
        c.expect("data")


def create_view(c: Cursor, *, replaces: bool = False) -> None:
    """Read CREATE [OR REPLACE] [RECURSIVE] VIEW behind its kind."""
    name = c.name()
    c.add(Creates(name.at, "view", name, replaces=replaces))
    if c.at_sign("("):
        c.words_in_parens()
    if c.take("with"):
        options(c)
    c.expect("as")
    query(c)
    if c.take("with"):
        c.take_any("cascaded", "local")
        c.expect("check option")


def create_recursive_view(c: Cursor, *, replaces: bool = False) -> None:
    """Read CREATE RECURSIVE VIEW, whose query may name the view."""
    c.common_tables.append(c.token.text)
    create_view(c, replaces=replaces)


def create_materialized_view(c: Cursor) -> None:
    """Read CREATE MATERIALIZED VIEW behind its kind."""
    missing = c.take("if not exists")
    name = c.name()
    c.add(Creates(name.at, "materialized view", name, if_missing=missing))
    if c.at_sign("("):
        c.words_in_parens()
    _storage_method(c)
    if c.take("with"):
        options(c)
    tablespace(c)
    c.expect("as")
    query(c)
    _with_data(c)


def refresh(c: Cursor) -> None:
    """Read REFRESH MATERIALIZED VIEW behind its words."""
    at = c.at
    if c.take("concurrently"):
        c.refuse("M052", "REFRESH … CONCURRENTLY is for a running system; in a migration drop CONCURRENTLY", at)
    name = c.name()
    c.add(Changes(name.at, "materialized view", name, "REFRESH"))
    _with_data(c)
