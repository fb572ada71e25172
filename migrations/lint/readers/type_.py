"""Reads CREATE and ALTER of types (enum, composite, range) and domains."""

from __future__ import annotations

from collections.abc import Callable

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Calls, Changes, Columns, Creates, CreatesIndexName
from migrations.lint.lexer import DOLLAR, ESCAPED, STRING
from migrations.lint.names import Name
from migrations.lint.readers.alter_table import action, cascade, rename
from migrations.lint.readers.call import collation
from migrations.lint.readers.expression import expression, in_parens, simple_expression
from migrations.lint.readers.index import operator_class
from migrations.lint.readers.types import type_name


def create(c: Cursor) -> None:
    """Read CREATE TYPE behind its kind."""
    name = c.name()
    c.add(Creates(name.at, "type", name))
    c.expect("as")
    if c.take("enum"):
        _items(c, _value)
    elif c.take("range"):
        c.enclosed(lambda c: c.listed(_range_option))
    else:
        _items(c, _typed)


def _items(c: Cursor, one: Callable[[Cursor], None]) -> None:
    """Read a list in parentheses, which may be empty."""
    c.expect_sign("(")
    if not c.at_sign(")"):
        c.listed(one)
    c.expect_sign(")")


def _value(c: Cursor) -> None:
    if c.token.kind not in (STRING, DOLLAR, ESCAPED):
        raise c.unreadable("expected a literal")
    c.next()


def _typed(c: Cursor) -> None:
    c.column()
    type_name(c)
    if c.take("collate"):
        collation(c)


def _range_option(c: Cursor) -> None:
    at, key = c.at, c.label()
    c.expect_sign("=")
    if key == "subtype":
        type_name(c)
    elif key == "multirange_type_name":
        multirange = c.name()
        c.add(CreatesIndexName(multirange.at, "multirange type", multirange))
    elif key in ("canonical", "subtype_diff"):
        c.add(Calls(at, c.name()))
    elif key == "collation":
        collation(c)
    elif key == "subtype_opclass":
        operator_class(c)
    else:
        raise c.unreadable(f"a range type has no {key}")


def create_domain(c: Cursor) -> None:
    """Read CREATE DOMAIN behind its kind."""
    name = c.name()
    c.add(Creates(name.at, "domain", name))
    c.take("as")
    type_name(c)
    while not c.done:
        _domain_constraint(c, name)


def _domain_constraint(c: Cursor, domain: Name) -> None:
    at = c.at
    if c.take("constraint"):
        c.column()
    if c.take("collate"):
        collation(c)
    elif c.take("check"):
        in_parens(c)
        c.take("not valid")
        c.add(Columns(at, domain, "", "constrained"))
    elif c.take("default"):
        simple_expression(c)
    elif c.take("not null"):
        c.add(Columns(at, domain, "", "constrained"))
    elif not c.take("null"):
        raise c.unreadable("a domain has no such constraint")


def alter(c: Cursor) -> None:
    """Read ALTER TYPE behind its kind."""
    name = c.name()
    c.add(Changes(name.at, "type", name, "ALTER"))
    c.listed(lambda c: _action(c, name))


def _action(c: Cursor, name: Name) -> None:
    if c.take("add value"):
        c.take("if not exists")
        _value(c)
        if c.take_any("before", "after"):
            _value(c)
    elif c.take("rename value"):
        _value(c)
        c.expect("to")
        _value(c)
    elif not _attribute(c):
        action(c, "type", name)


def _attribute(c: Cursor) -> bool:
    if c.take("add attribute"):
        _typed(c)
    elif c.take("alter attribute"):
        c.column()
        c.take("set data")
        c.expect("type")
        type_name(c)
    elif c.take("drop attribute"):
        c.if_exists()
        c.column()
    elif c.take("rename attribute"):
        c.column()
        c.expect("to")
        c.column()
    else:
        return False
    cascade(c, "ALTER TYPE")
    return True


def alter_domain(c: Cursor) -> None:
    """Read ALTER DOMAIN behind its kind."""
    name = c.name()
    c.add(Changes(name.at, "domain", name, "ALTER"))
    if c.take("set default"):
        expression(c)
    elif c.take("add"):
        _domain_constraint(c, name)
    elif c.take("drop constraint"):
        c.if_exists()
        c.column()
        cascade(c, "DROP CONSTRAINT")
    elif c.take("rename"):
        rename(c, "domain", name)
    elif c.take("validate constraint"):
        c.column()
    elif c.take("set not null"):
        c.add(Columns(name.at, name, "", "constrained"))
    elif not (c.take("drop not null") or c.take("drop default")):
        action(c, "domain", name)
    c.take("not valid")
