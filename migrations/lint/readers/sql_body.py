"""Reads bodies in SQL: as a literal, as ``BEGIN ATOMIC … END``, or as ``RETURN expression``."""

from __future__ import annotations

from migrations.lint.cursor import Cursor, UnreadableError
from migrations.lint.facts import Fact, Refused, UsesType
from migrations.lint.lexer import DOLLAR, PUNCT, Token, lex
from migrations.lint.readers.expression import STATEMENT_WORDS, expression
from migrations.lint.readers.query import query

MAX_BODY_TOKENS = 20_000
"""A longer body is refused: a check must end in time."""


def body_tokens(literal: Token, facts: list[Fact]) -> list[Token]:
    """Return the words of a body with offsets into the file."""
    read = lex(literal.text, MAX_BODY_TOKENS)
    inner = literal.end - literal.start - len(literal.text)
    base = literal.start + (inner // 2 if literal.kind == DOLLAR else 1)
    facts.extend(
        Refused(base + problem.at, "M041", f"the body cannot be read: {problem.message}") for problem in read.problems
    )
    return [Token(token.kind, token.text, base + token.start, base + token.end) for token in read.tokens]


def opaque(facts: list[Fact]) -> list[Fact]:
    """Mark the types in a body that PostgreSQL keeps as text: they make no dependency."""
    return [fact._replace(copied=True) if isinstance(fact, UsesType) else fact for fact in facts]


def read(literal: Token, facts: list[Fact]) -> None:
    """Read a body in SQL that is given as a literal."""
    found: list[Fact] = []
    c = Cursor(body_tokens(literal, found), found, at=literal.start, parameters=True)
    try:
        while not c.done:
            statement(c)
            if not c.done:
                c.expect_sign(";")
    except UnreadableError as error:
        c.add(Refused(error.at, "M041", str(error)))
    facts.extend(opaque(found))


def statement(c: Cursor) -> None:
    """Read one statement of a body."""
    if c.at_word(*STATEMENT_WORDS) or c.at_sign("("):
        query(c)
    elif not c.at_sign(";"):
        refuse_statement(c)


def refuse_statement(c: Cursor) -> None:
    """Refuse a statement that no body may hold, and skip it."""
    reason = "(dynamic SQL) cannot be checked" if c.at_word("execute") else "has no place in a plugin's function"
    c.refuse("M041", f"{c.token.text[:40].upper()} {reason}")
    skip_statement(c)


def skip_statement(c: Cursor) -> None:
    """Move to the next semicolon."""
    while not c.done and not (c.token.kind == PUNCT and c.token.text == ";"):
        c.next()


def read_atomic(c: Cursor) -> None:
    """Read ``BEGIN ATOMIC a; b; END`` behind its first two words."""
    outer, c.facts, c.parameters = c.facts, c.body, True
    try:
        while not c.take("end"):
            if c.take("return"):
                expression(c)
            else:
                statement(c)
            c.expect_sign(";")
    except UnreadableError as error:
        c.add(Refused(error.at, "M041", str(error)))
        c.skip_all()
    finally:
        c.facts, c.parameters = outer, False


def read_return(c: Cursor) -> None:
    """Read ``RETURN expression`` behind its word."""
    outer, c.facts, c.parameters = c.facts, c.body, True
    try:
        expression(c)
    finally:
        c.facts, c.parameters = outer, False
