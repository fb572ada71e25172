"""Reads CREATE and ALTER SEQUENCE, and the same options inside an identity column."""

from __future__ import annotations

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Changes, Creates, CreatesIndexName, Renames
from migrations.lint.lexer import NUMBER
from migrations.lint.readers.types import type_name

_NUMBERED = ("increment", "minvalue", "maxvalue", "start", "cache", "restart")


def create(c: Cursor) -> None:
    """Read CREATE SEQUENCE behind its kind."""
    missing = c.take("if not exists")
    name = c.name()
    c.add(Creates(name.at, "sequence", name, if_missing=missing))
    options(c)


def alter(c: Cursor) -> None:
    """Read ALTER SEQUENCE behind its kind: options, or the actions of every relation."""
    c.if_exists()
    name = c.name()
    c.add(Changes(name.at, "sequence", name, "ALTER"))
    if c.take("rename to"):
        new = c.name()
        c.add(Renames(new.at, "sequence", name, new))
        return
    at = c.at
    if c.take("set schema") or c.take("owner to"):
        c.refuse("M011", f'moving {name} to "{c.word()}" would take it out of the plugin\'s hands', at)
        return
    c.take("set")
    options(c)


def options(c: Cursor, *, in_parens: bool = False) -> None:
    """Read a sequence's options up to the end or the closing parenthesis."""
    if in_parens:
        c.expect_sign("(")
    while not c.done and not c.at_sign(")") and _option(c):
        pass
    if in_parens:
        c.expect_sign(")")


def _option(c: Cursor) -> bool:
    at = c.at
    if c.take("as"):
        type_name(c)
    elif word := c.take_any(*_NUMBERED):
        if c.take_any("by", "with") or word != "restart" or c.at_sign("-", "+") or c.token.kind == NUMBER:
            number(c)
    elif c.take("no"):
        if not c.take_any("minvalue", "maxvalue", "cycle"):
            raise c.unreadable("expected MINVALUE, MAXVALUE or CYCLE")
    elif c.take("owned by"):
        _owned_by(c, at)
    elif c.take("sequence name"):
        name = c.name()
        c.add(CreatesIndexName(name.at, "sequence", name))
    elif c.at_word("logged", "unlogged"):
        c.next()
    else:
        return c.take("cycle")
    return True


def number(c: Cursor) -> None:
    """Read a number with its sign."""
    if c.at_sign("-", "+"):
        c.next()
    if c.token.kind != NUMBER:
        raise c.unreadable("expected a number")
    c.next()


def _owned_by(c: Cursor, at: int) -> None:
    column = c.name()
    if column.parts != ("none",):
        c.add(Changes(at, "table", column.without_last() if len(column.parts) > 1 else column, "OWNED BY"))
