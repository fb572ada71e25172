"""Reads CREATE INDEX."""

from __future__ import annotations

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Changes, Concurrent, Creates
from migrations.lint.operators import ACCESS_METHODS
from migrations.lint.readers.columns import index_options
from migrations.lint.readers.expression import expression
from migrations.lint.readers.index_elements import elements


def access_method(c: Cursor) -> None:
    """Take the name of an index's access method."""
    at, name = c.at, c.column()
    if name not in ACCESS_METHODS:
        c.refuse("M034", f'access method "{name}" is neither built in nor of a known extension', at)


def create(c: Cursor) -> None:
    """Read CREATE [UNIQUE] INDEX behind its kind; one without a name gets the table's prefix from PostgreSQL."""
    at = c.at
    concurrently = c.take("concurrently")
    missing = c.take("if not exists")
    if concurrently:
        named = not missing and not c.at_word("on")
        fault = "" if named else "give the index a name, without IF NOT EXISTS: what a kill leaves is found by its name"
        c.add(Concurrent(at, "CREATE INDEX CONCURRENTLY", fault))
    if missing or not c.at_word("on"):
        name = c.name()
        c.add(Creates(name.at, "index", name, if_missing=missing))
    c.expect("on")
    c.take("only")
    table = c.name()
    c.add(Changes(table.at, "table", table, "CREATE INDEX"))
    if c.take("using"):
        access_method(c)
    elements(c, table)
    if c.take("include"):
        c.words_in_parens()
    if c.take("nulls"):
        c.take("not")
        c.expect("distinct")
    index_options(c)
    if c.take("where"):
        expression(c)


def reindex(c: Cursor) -> bool:
    """Read ``REINDEX INDEX | TABLE CONCURRENTLY name``; all other forms are not for a migration."""
    kind = c.peek().text
    if kind not in ("index", "table") or c.peek(2).text != "concurrently":
        return False
    c.next()
    c.next()
    c.add(Concurrent(c.at, f"REINDEX {kind.upper()} CONCURRENTLY"))
    c.next()
    name = c.name()
    c.add(Changes(name.at, kind, name, "REINDEX"))
    return True
