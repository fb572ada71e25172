"""Reads CREATE TYPE (enum, composite, range), CREATE DOMAIN, and what ALTER does to them."""

from __future__ import annotations

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Calls, Changes, Creates, CreatesIndexName
from migrations.lint.lexer import DOLLAR, ESCAPED, STRING
from migrations.lint.names import Name
from migrations.lint.readers.alter_table import action, cascade, rename
from migrations.lint.readers.call import collation
from migrations.lint.readers.expression import expression, in_parens, simple_expression
from migrations.lint.readers.index_elements import operator_class
from migrations.lint.readers.types import type_name


def create(c: Cursor) -> None:
    """Read CREATE TYPE behind its kind."""
    name = c.name()
    c.add(Creates(name.at, "type", name))
    c.expect("as")
    if c.take("enum"):
        _labels(c)
    elif c.take("range"):
        _range(c)
    else:
        _composite(c, name)


def _labels(c: Cursor) -> None:
    c.expect_sign("(")
    if c.take_sign(")"):
        return
    while True:
        _value(c)
        if not c.take_sign(","):
            break
    c.expect_sign(")")


def _value(c: Cursor) -> None:
    if c.token.kind not in (STRING, DOLLAR, ESCAPED):
        raise c.unreadable("expected a literal")
    c.next()


def _composite(c: Cursor, name: Name) -> None:
    c.expect_sign("(")
    if c.take_sign(")"):
        return
    while True:
        c.column()
        type_name(c)
        if c.take("collate"):
            collation(c)
        if not c.take_sign(","):
            break
    c.expect_sign(")")


def _range(c: Cursor) -> None:
    c.expect_sign("(")
    while True:
        at, key = c.at, c.column()
        c.expect_sign("=")
        if key == "subtype":
            type_name(c)
        elif key == "multirange_type_name":
            multirange = c.name()
            c.add(CreatesIndexName(multirange.at, "multirange type", multirange))
        elif key in ("canonical", "subtype_diff"):
            function = c.name()
            c.add(Calls(at, function))
        elif key == "collation":
            collation(c)
        elif key == "subtype_opclass":
            operator_class(c)
        else:
            raise c.unreadable(f"a range type has no {key}")
        if not c.take_sign(","):
            break
    c.expect_sign(")")


def create_domain(c: Cursor) -> None:
    """Read CREATE DOMAIN behind its kind."""
    name = c.name()
    c.add(Creates(name.at, "domain", name))
    c.take("as")
    type_name(c)
    while not c.done:
        _domain_constraint(c)


def _domain_constraint(c: Cursor) -> None:
    if c.take("constraint"):
        c.column()
    if c.take("collate"):
        collation(c)
    elif c.take("check"):
        in_parens(c)
        c.take("not valid")
    elif c.take("default"):
        simple_expression(c)
    elif not (c.take("not null") or c.take("null")):
        raise c.unreadable("a domain has no such constraint")


def alter(c: Cursor) -> None:
    """Read ALTER TYPE behind its kind."""
    name = c.name()
    c.add(Changes(name.at, "type", name, "ALTER"))
    while True:
        if c.take("add value"):
            _add_value(c)
        elif c.take("rename value"):
            _value(c)
            c.expect("to")
            _value(c)
        elif not _attribute(c):
            action(c, "type", name)
        if not c.take_sign(","):
            break


def _add_value(c: Cursor) -> None:
    c.take("if not exists")
    _value(c)
    if c.take_any("before", "after"):
        _value(c)


def _attribute(c: Cursor) -> bool:
    if c.take("add attribute"):
        c.column()
        type_name(c)
        if c.take("collate"):
            collation(c)
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
        _domain_constraint(c)
    elif c.take("drop constraint"):
        c.if_exists()
        c.column()
        cascade(c, "DROP CONSTRAINT")
    elif c.take("rename"):
        rename(c, "domain", name)
    elif c.take("validate constraint"):
        c.column()
    elif not (c.take("set not null") or c.take("drop not null") or c.take("drop default")):
        action(c, "domain", name)
    c.take("not valid")
