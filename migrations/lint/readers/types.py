"""Reads the name of a type wherever one may stand: columns, casts, arguments, domains."""

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
    """Take a type: its name, size, zone and dimensions."""
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
    _dimensions(c)
    return name


def interval_fields(c: Cursor) -> None:
    """Take ``YEAR TO MONTH`` and its kin behind an interval."""
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
    """Take ``(10)``, ``(10, 2)`` and the words that types of extensions have there."""
    if not c.take_sign("("):
        return
    while True:
        c.take_sign("-")
        if c.token.kind != NUMBER and not (words and c.token.kind in (WORD, STRING)):
            raise c.unreadable("expected a type's size")
        c.next()
        if not c.take_sign(","):
            break
    c.expect_sign(")")


def _dimensions(c: Cursor) -> None:
    c.take("array")
    while c.take_sign("["):
        if c.token.kind == NUMBER:
            c.next()
        c.expect_sign("]")
