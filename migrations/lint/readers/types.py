"""Reads the name of a type wherever one may stand: columns, casts, arguments, domains."""

from __future__ import annotations

from migrations.lint.builtin_types import BUILTIN_TYPES
from migrations.lint.cursor import Cursor
from migrations.lint.facts import UsesType
from migrations.lint.lexer import NUMBER
from migrations.lint.names import Name

_SECOND_WORDS = {
    "double": ("precision",),
    "character": ("varying",),
    "char": ("varying",),
    "nchar": ("varying",),
    "bit": ("varying",),
}
_INTERVAL_WORDS = ("year", "month", "day", "hour", "minute", "second", "to")


def type_name(c: Cursor) -> Name:
    """Take a type: its name, size, zone and dimensions."""
    c.take("setof")
    if c.take("national"):
        c.take_any("char", "character", "varchar")
        c.take("varying")
        name = Name(("nchar",), c.at)
    else:
        name = _base(c)
    _size(c)
    if name.last in ("time", "timestamp") and c.take_any("with", "without"):
        c.expect("time zone")
    while name.last == "interval" and c.take_any(*_INTERVAL_WORDS):
        _size(c)
    _dimensions(c)
    return name


def _base(c: Cursor) -> Name:
    name = c.name()
    copied = c.at_sign("%") and c.peek().text in ("type", "rowtype")
    if copied:
        column = c.peek().text == "type" and len(name.parts) > 1
        c.next()
        c.next()
        c.add(UsesType(name.at, name.without_last() if column else name, copied=column))
    elif not is_builtin(name):
        c.add(UsesType(name.at, name))
    elif name.last in _SECOND_WORDS:
        c.take_any(*_SECOND_WORDS[name.last])
    return name


def is_builtin(name: Name) -> bool:
    """Whether a type is PostgreSQL's own or a well-known extension's."""
    in_catalog = len(name.parts) == 1 or name.parts[:-1] == ("pg_catalog",)
    return in_catalog and name.last in BUILTIN_TYPES


def _size(c: Cursor) -> None:
    if not c.take_sign("("):
        return
    while not c.at_sign(")"):
        if c.done or c.at_sign("("):
            raise c.unreadable("expected a type's size")
        c.next()
    c.expect_sign(")")


def _dimensions(c: Cursor) -> None:
    if c.take("array") and not c.at_sign("["):
        return
    while c.at_sign("[") and (c.peek().text == "]" or (c.peek().kind == NUMBER and c.peek(2).text == "]")):
        c.next()
        if not c.at_sign("]"):
            c.next()
        c.expect_sign("]")
