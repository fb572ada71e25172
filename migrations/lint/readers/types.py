"""Reads the name of a type wherever one may stand, and lists of options such as ``WITH (fillfactor = 80)``."""

from __future__ import annotations

from migrations.lint.builtin_types import BUILTIN_TYPES
from migrations.lint.cursor import Cursor
from migrations.lint.facts import UsesType
from migrations.lint.keywords import COLUMNS_ONLY, RESERVED
from migrations.lint.lexer import NUMBER, STRING, WORD
from migrations.lint.names import Name

_SECOND_WORDS = {
    "double": ("precision",),
    "character": ("varying",),
    "char": ("varying",),
    "nchar": ("varying",),
    "bit": ("varying",),
}
_FIELDS = ("year", "month", "day", "hour", "minute", "second")
_CHARACTERS = ("char", "character", "varchar")


def type_name(c: Cursor) -> Name:
    """Read a type: its name, size, zone and dimensions."""
    c.take("setof")
    if c.take("national"):
        if not c.take_any(*_CHARACTERS):
            raise c.unreadable("expected CHARACTER")
        c.take("varying")
        name = Name(("nchar",), c.at)
    else:
        name = _base(c)
    if name.last != "interval":
        _size(c, words=name.last in ("geometry", "geography"))
    if name.last in ("time", "timestamp") and (c.at_words("with time") or c.at_words("without time")):
        c.next()
        c.expect("time zone")
    if name.last == "interval" and len(name.parts) == 1:
        _size(c)
        interval_fields(c)
    c.take("array")
    while c.take_sign("["):
        if c.token.kind == NUMBER:
            c.next()
        c.expect_sign("]")
    return name


def interval_fields(c: Cursor) -> None:
    """Read ``YEAR TO MONTH`` and its kin behind an interval."""
    first = c.take_any(*_FIELDS)
    last = first
    if first and c.take("to"):
        last = c.take_any(*_FIELDS)
        allowed = ("month",) if first == "year" else _FIELDS[_FIELDS.index(first) + 1 :]
        if not last or last not in allowed or first in ("month", "second"):
            raise c.unreadable("an interval has no such fields")
    if last == "second":
        _size(c)


def _base(c: Cursor) -> Name:
    token = c.token
    if token.kind == WORD and token.text in COLUMNS_ONLY and (token.text not in BUILTIN_TYPES or c.peek().text == "."):
        raise c.unreadable("expected a type")
    name = c.name(RESERVED)
    copied = c.at_sign("%") and c.peek().text in ("type", "rowtype")
    if copied:
        column = c.peek().text == "type" and len(name.parts) > 1
        c.next()
        c.next()
        c.add(UsesType(name.at, name.without_last() if column else name, copied=column))
    elif not is_builtin(name):
        c.add(UsesType(name.at, name))
    elif len(name.parts) == 1 and name.last in _SECOND_WORDS:
        found = c.take_any(*_SECOND_WORDS[name.last])
        if name.last == "double" and not found:
            raise c.unreadable("expected PRECISION")
    return name


def is_builtin(name: Name) -> bool:
    """Whether a type is PostgreSQL's own or a well-known extension's."""
    in_catalog = len(name.parts) == 1 or name.parts[:-1] == ("pg_catalog",)
    return in_catalog and name.last in BUILTIN_TYPES


def _size(c: Cursor, *, words: bool = False) -> None:
    """Read ``(10)``, ``(10, 2)`` and the words that types of extensions have there."""

    def part(c: Cursor) -> None:
        c.take_sign("-")
        if c.token.kind != NUMBER and not (words and c.token.kind in (WORD, STRING)):
            raise c.unreadable("expected a type's size")
        c.next()

    if c.at_sign("("):
        c.enclosed(lambda c: c.listed(part))


def options(c: Cursor, *, valued: bool = True) -> None:
    """Read ``(name = value, …)``; ``valued=False`` is RESET's list, without values."""

    def option(c: Cursor) -> None:
        c.label()
        if c.take_sign("."):
            c.label()
        if valued and c.take_sign("="):
            _value(c)

    c.enclosed(lambda c: c.listed(option))


def _value(c: Cursor) -> None:
    if c.at_sign("-", "+"):
        c.next()
        if c.token.kind != NUMBER:
            raise c.unreadable("expected a number")
    if c.token.kind not in (NUMBER, STRING, WORD):
        raise c.unreadable("expected a value")
    c.next()
