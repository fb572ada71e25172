"""Reads CREATE INDEX and REINDEX, and the elements and options that constraints share with an index."""

from __future__ import annotations

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Changes, Concurrent, Creates, Indexes
from migrations.lint.lexer import OP
from migrations.lint.operators import ACCESS_METHODS, is_class
from migrations.lint.readers import call, query
from migrations.lint.readers import expression as ex
from migrations.lint.readers.types import options

_FINDS_EQUALS = ("btree", "hash")


def create(c: Cursor) -> None:
    """Read CREATE [UNIQUE] INDEX behind its kind; PostgreSQL names one without a name after its table."""
    at = c.at
    concurrently = c.take("concurrently")
    missing = c.take("if not exists")
    if concurrently:
        named = not missing and not c.at_word("on")
        fault = "" if named else "give the index a name, without IF NOT EXISTS: what a kill leaves is found by its name"
        c.add(Concurrent(at, "CREATE INDEX CONCURRENTLY", fault))
    called = ""
    if missing or not c.at_word("on"):
        name = c.name()
        called = name.last
        c.add(Creates(name.at, "index", name, if_missing=missing))
    c.expect("on")
    c.take("only")
    table = c.name()
    c.add(Changes(table.at, "table", table, "CREATE INDEX"))
    method = _method(c) if c.take("using") else "btree"
    columns = elements(c)
    if c.take("include"):
        c.words_in_parens()
    nulls_distinct(c)
    index_options(c)
    if c.take("where"):
        ex.expression(c)
    elif columns[0] and method in _FINDS_EQUALS:
        c.add(Indexes(at, table, tuple(columns), called))


def _method(c: Cursor) -> str:
    at, name = c.at, c.column()
    if name not in ACCESS_METHODS:
        c.refuse("M034", f'access method "{name}" is neither built in nor of a known extension', at)
    return name


def nulls_distinct(c: Cursor) -> None:
    """Read ``NULLS [NOT] DISTINCT`` if it comes next."""
    if c.take("nulls"):
        c.take("not")
        c.expect("distinct")


def index_options(c: Cursor) -> None:
    """Read INCLUDE, WITH and the table space of an index."""
    if c.take("include"):
        c.words_in_parens()
    if c.take("with"):
        options(c)
    tablespace(c, "using index tablespace")
    tablespace(c)


def tablespace(c: Cursor, phrase: str = "tablespace") -> None:
    """Refuse a table space if one comes next."""
    at = c.at
    if c.take(phrase):
        c.refuse("M060", f"table space {c.column()}: where data lies is the operator's decision", at)


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


def elements(c: Cursor, *, exclusion: bool = False) -> list[str]:
    """Read ``(column | (expression) | call(…) [COLLATE …] [class] [ASC|DESC] [NULLS …] [WITH operator], …)``.

    The result has each element's column, and an empty text for an expression.
    """
    columns: list[str] = []

    def element(c: Cursor) -> None:
        columns.append(_element(c))
        if exclusion:
            c.expect("with")
            _operator(c)

    c.enclosed(lambda c: c.listed(element))
    return columns


def _element(c: Cursor) -> str:
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
    query.nulls(c)
    return name


def operator_class(c: Cursor) -> None:
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
    """Read the operator of an exclusion, plain or as ``OPERATOR(pg_catalog.=)``."""
    if c.at_word("operator"):
        ex.operator(c)
    elif c.token.kind == OP:
        ex.known(c, c.next())
    else:
        raise c.unreadable("expected an operator")
