"""The parts of a body in PL/pgSQL: blocks, steps, and the variables that it assigns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Fact, UsesType
from migrations.lint.lexer import OP, PUNCT, QUOTED, WORD, Token
from migrations.lint.readers.expression import subscript


@dataclass(slots=True)
class Step:
    """One statement: its words, the branches of an IF with their conditions, or an inner block."""

    words: Sequence[Token]
    branches: list[tuple[Sequence[Token], list[Step]]] = field(default_factory=list)
    inner: Block | None = None


@dataclass(slots=True)
class Block:
    """``DECLARE … BEGIN … EXCEPTION … END``."""

    declared: list[Sequence[Token]]
    steps: list[Step]
    handlers: list[list[Step]]


def variable(c: Cursor) -> None:
    """Read a variable with its fields and subscripts."""
    c.name()
    while True:
        if c.at_sign("["):
            subscript(c)
        elif c.take_sign("."):
            c.label()
        else:
            return


def equals(c: Cursor) -> None:
    """Read ``:=`` or ``=``."""
    if not c.take_sign(":="):
        c.expect_sign("=")


def declared(fact: Fact) -> Fact:
    """Mark the type of a variable, but not one that is copied from a column."""
    return fact._replace(declared=True) if isinstance(fact, UsesType) and not fact.copied else fact


def is_assignment(c: Cursor) -> bool:
    """Whether ``name :=``, ``name.field =`` or ``name[…] :=`` comes next."""
    if c.token.kind not in (WORD, QUOTED) or c.token.text == "execute":
        return False
    ahead = 1
    while c.peek(ahead).text == "." and c.peek(ahead).kind == PUNCT:
        ahead += 2
    after = c.peek(ahead)
    return (after.kind == PUNCT and after.text in (":=", "[")) or (after.kind == OP and after.text == "=")
