"""Reads ``(name = value, …)``: storage parameters, view options, parameters of operator classes."""

from __future__ import annotations

from migrations.lint.cursor import Cursor
from migrations.lint.lexer import NUMBER, STRING, WORD


def options(c: Cursor, *, valued: bool = True) -> None:
    """Read a list of options; ``valued=False`` is RESET's, without values."""
    c.expect_sign("(")
    while True:
        c.label()
        if c.take_sign("."):
            c.label()
        if valued and c.take_sign("="):
            _value(c)
        if not c.take_sign(","):
            break
    c.expect_sign(")")


def _value(c: Cursor) -> None:
    if c.at_sign("-", "+"):
        c.next()
        if c.token.kind != NUMBER:
            raise c.unreadable("expected a number")
    if c.token.kind not in (NUMBER, STRING, WORD):
        raise c.unreadable("expected a value")
    c.next()
