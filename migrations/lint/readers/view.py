"""Reads CREATE VIEW, CREATE MATERIALIZED VIEW and REFRESH."""

from __future__ import annotations

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Changes, Creates
from migrations.lint.readers.options import options
from migrations.lint.readers.query import query


def create(c: Cursor, *, replaces: bool = False) -> None:
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


def create_recursive(c: Cursor, *, replaces: bool = False) -> None:
    """Read CREATE RECURSIVE VIEW, whose query may name the view."""
    c.common_tables.append(c.token.text)
    create(c, replaces=replaces)


def create_materialized(c: Cursor) -> None:
    """Read CREATE MATERIALIZED VIEW behind its kind."""
    missing = c.take("if not exists")
    name = c.name()
    c.add(Creates(name.at, "materialized view", name, if_missing=missing))
    if c.at_sign("("):
        c.words_in_parens()
    if c.take("using"):
        method = c.column()
        if method != "heap":
            c.refuse("M060", f"access method {method}: how data is stored is the operator's decision")
    if c.take("with"):
        options(c)
    at = c.at
    if c.take("tablespace"):
        c.refuse("M060", f"table space {c.column()}: where data lies is the operator's decision", at)
    c.expect("as")
    query(c)
    with_data(c)


def with_data(c: Cursor) -> None:
    """Take WITH [NO] DATA."""
    if c.take("with"):
        c.take("no")
        c.expect("data")


def refresh(c: Cursor) -> None:
    """Read REFRESH MATERIALIZED VIEW behind its words."""
    at = c.at
    if c.take("concurrently"):
        c.refuse("M052", "REFRESH … CONCURRENTLY is for a running system; in a migration drop CONCURRENTLY", at)
    name = c.name()
    c.add(Changes(name.at, "materialized view", name, "REFRESH"))
    with_data(c)
