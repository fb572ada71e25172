"""Reads names that stand inside literals: ``nextval('p_x__seq')`` names an object as surely as FROM does."""

from __future__ import annotations

from migrations.lint.lexer import DOLLAR, QUOTED, STRING, WORD, Token, lex
from migrations.lint.names import Name

_MAX_PARTS = 8


def name_in_literal(literal: Token) -> Name | None:
    """Return the name that a literal spells, or None when it spells none or is not a plain literal."""
    if literal.kind not in (STRING, DOLLAR):
        return None
    read = lex(literal.text, _MAX_PARTS)
    parts, dots = read.tokens[::2], read.tokens[1::2]
    if read.problems or read.comments or len(parts) != len(dots) + 1:
        return None
    if any(part.kind not in (WORD, QUOTED) for part in parts) or any(dot.text != "." for dot in dots):
        return None
    return Name(tuple(part.text for part in parts), literal.start)
