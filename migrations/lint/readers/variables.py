"""Reads the variables of PL/pgSQL."""

from __future__ import annotations

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Fact, UsesType
from migrations.lint.lexer import PUNCT, WORD
from migrations.lint.readers.expression import subscript


def variables(c: Cursor) -> None:
    """Take variables that are separated by commas."""
    variable(c)
    while c.take_sign(","):
        variable(c)


def variable(c: Cursor) -> None:
    """Take a variable with its fields and subscripts."""
    c.name()
    while True:
        if c.at_sign("["):
            subscript(c)
        elif c.take_sign("."):
            c.label()
        else:
            return


def declared(fact: Fact) -> Fact:
    """Mark the type of a variable, but not one that is copied from a column."""
    return fact._replace(declared=True) if isinstance(fact, UsesType) and not fact.copied else fact


def is_assignment(c: Cursor) -> bool:
    """Whether ``name :=``, ``name.field =`` or ``name[…] :=`` comes next."""
    if c.token.kind not in (WORD, "quoted") or c.token.text == "execute":
        return False
    ahead = 1
    while c.peek(ahead).text == "." and c.peek(ahead).kind == PUNCT:
        ahead += 2
    after = c.peek(ahead)
    return (after.kind == PUNCT and after.text in (":=", "[")) or (after.kind == "op" and after.text == "=")
