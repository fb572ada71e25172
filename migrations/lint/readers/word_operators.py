"""Reads the operators that are words: AND, IS, LIKE, IN, BETWEEN, AT TIME ZONE, COLLATE; has the precedence of all."""

from __future__ import annotations

from typing import Protocol

from migrations.lint.cursor import Cursor
from migrations.lint.lexer import PUNCT, WORD
from migrations.lint.readers import call, query
from migrations.lint.readers import expression as ex

OR, AND, NOT, IS, COMPARE, LIKE, OTHER, ADD, TIMES, POWER, AT, COLLATE, SIGN = range(1, 14)
"""How tightly PostgreSQL's operators bind, from the loosest to the tightest."""

_NORMAL_FORMS = ("nfc", "nfd", "nfkc", "nfkd")


def _or(c: Cursor, *, simple: bool) -> bool:
    return _joined(c, OR, simple=simple)


def _and(c: Cursor, *, simple: bool) -> bool:
    return _joined(c, AND, simple=simple)


def _joined(c: Cursor, level: int, *, simple: bool) -> bool:
    if simple:
        return False
    c.next()
    ex.expression(c, level + 1)
    return True


def _is(c: Cursor, *, simple: bool) -> bool:
    """Read ``IS [NOT] …``."""
    if simple and not (c.at_words("is distinct") or c.at_words("is not distinct") or c.at_words("is document")):
        return False
    c.next()
    c.take("not")
    if c.take("distinct from"):
        ex.expression(c, IS + 1, simple=simple)
    elif c.take("null"):
        c.forget_row(c.index - (3 if c.peek(-2).text == "not" else 2))
    elif c.at_word("json"):
        c.refuse("M072", "IS JSON needs PostgreSQL 16")
        c.next()
        c.take_any("value", "array", "object", "scalar")
        if c.take("with unique") or c.take("without unique"):
            c.take("keys")
    elif c.take_any(*_NORMAL_FORMS):
        c.expect("normalized")
    elif not c.take_any("true", "false", "unknown", "document", "normalized"):
        raise c.unreadable("expected NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM")
    return True


def _isnull(c: Cursor, *, simple: bool) -> bool:
    if simple:
        return False
    c.next()
    return True


def _not(c: Cursor, *, simple: bool) -> bool:
    """Read ``NOT LIKE | ILIKE | SIMILAR TO | IN | BETWEEN`` behind an operand."""
    if simple or c.peek().text not in ("like", "ilike", "similar", "in", "between"):
        return False
    c.next()
    return _LIKES[c.token.text](c, simple=simple)


def _like(c: Cursor, *, simple: bool) -> bool:
    if simple:
        return False
    if c.take("similar"):
        c.expect("to")
    else:
        c.next()
        if c.at_word(*ex.QUANTIFIERS):
            ex.quantified(c)
            return True
    ex.expression(c, LIKE + 1)
    if c.take("escape"):
        ex.expression(c, LIKE + 1)
    return _alone(c)


def _alone(c: Cursor) -> bool:
    """Refuse a second LIKE, IN or BETWEEN on the same level."""
    if c.token.kind == WORD and c.token.text in _LIKES:
        raise c.unreadable("LIKE, IN and BETWEEN do not chain; use parentheses")
    return True


def _between(c: Cursor, *, simple: bool) -> bool:
    if simple:
        return False
    c.next()
    c.take_any("symmetric", "asymmetric")
    ex.simple_expression(c)
    c.expect("and")
    ex.expression(c, LIKE + 1)
    return _alone(c)


def _in(c: Cursor, *, simple: bool) -> bool:
    if simple:
        return False
    c.next()
    c.enclosed(query_or_list)
    return True


def query_or_list(c: Cursor, *, single: bool = False) -> None:
    """Read the query or the list between the parentheses of IN and ANY."""
    if query.begins(c):
        query.query(c)
        return
    if c.at_sign("(") and ex.item(c) == "query" and query.continues(c):
        query.rest(c)
        return
    if c.previous.text == ")" and c.previous.kind == PUNCT:
        ex.operators(c)
    else:
        ex.expression(c)
    while not single and c.take_sign(","):
        ex.expression(c)


def _at(c: Cursor, *, simple: bool) -> bool:
    if simple:
        return False
    if c.take("at time zone"):
        ex.expression(c, AT + 1)
        return True
    if c.at_words("at local"):
        c.refuse("M072", "AT LOCAL needs PostgreSQL 17")
        c.take("at local")
        return True
    return False


def _collate(c: Cursor, *, simple: bool) -> bool:
    if simple:
        return False
    c.next()
    call.collation(c)
    return True


def _operator_word(c: Cursor, *, simple: bool) -> bool:
    """Read ``OPERATOR(schema.sign)`` between two operands."""
    if c.peek().text != "(":
        return False
    ex.operator(c)
    if c.at_word(*ex.QUANTIFIERS):
        ex.quantified(c)
    else:
        ex.expression(c, OTHER + 1, simple=simple)
    return True


class _Tail(Protocol):
    """Reads an operator that is a word, with its right side; False when it does not belong to the expression."""

    def __call__(self, c: Cursor, *, simple: bool) -> bool: ...


_LIKES: dict[str, _Tail] = {"like": _like, "ilike": _like, "similar": _like, "in": _in, "between": _between}
WORDS: dict[str, tuple[int, _Tail]] = {
    "or": (OR, _or),
    "and": (AND, _and),
    "is": (IS, _is),
    "isnull": (IS, _isnull),
    "notnull": (IS, _isnull),
    "not": (LIKE, _not),
    **{word: (LIKE, read) for word, read in _LIKES.items()},
    "operator": (OTHER, _operator_word),
    "at": (AT, _at),
    "collate": (COLLATE, _collate),
}
"""Operators that are words: how tightly they bind, and what reads them."""
