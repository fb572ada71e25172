"""Reads statements about rows: INSERT, UPDATE, DELETE, MERGE, and the SELECTs that set a sequence."""

from __future__ import annotations

from contextlib import suppress

from migrations.lint.cursor import Cursor, UnreadableError
from migrations.lint.facts import Refused
from migrations.lint.lexer import PUNCT, WORD
from migrations.lint.readers.call import arguments
from migrations.lint.readers.query import query

_CHANGES = ("insert", "update", "delete", "merge")
_ENDS_WITH = frozenset({*_CHANGES, "select", "values", "table"})


def data(c: Cursor) -> None:
    """Read a statement that begins with WITH, INSERT, UPDATE, DELETE, MERGE, SELECT, VALUES, TABLE or ``(``."""
    if _changes(c) or _sets_sequences(c):
        query(c)
    else:
        _refused(c)


def _changes(c: Cursor) -> bool:
    """Whether the statement, behind its WITH, changes rows."""
    if not c.at_word("with"):
        return c.at_word(*_CHANGES)
    ahead, depth = 1, 0
    while c.peek(ahead).kind != "end":
        token = c.peek(ahead)
        if token.kind == PUNCT:
            depth += (token.text == "(") - (token.text == ")")
        elif token.kind == WORD and not depth and token.text in _ENDS_WITH:
            return token.text in _CHANGES
        ahead += 1
    return False


def _refused(c: Cursor) -> None:
    """Refuse a SELECT, and still say all that is wrong inside."""
    word, at, before = c.token.text[:20].upper(), c.at, len(c.facts)
    with suppress(UnreadableError):
        query(c)
    while not c.done:
        c.next()
    if not any(isinstance(fact, Refused) and fact.rule == "M031" for fact in c.facts[before:]):
        c.refuse("M031", f"a {word if word != '(' else 'SELECT'} changes nothing that belongs in a migration", at)


def _sets_sequences(c: Cursor) -> bool:
    """Whether the statement is ``SELECT setval(…), …`` and selects nothing else."""
    start, facts = c.index, len(c.facts)
    try:
        return c.take("select") and _setval_items(c)
    except UnreadableError:
        return False
    finally:
        c.index = start
        del c.facts[facts:]


def _setval_items(c: Cursor) -> bool:
    while True:
        c.take("pg_catalog")
        c.take_sign(".")
        if not (c.take("setval") and c.at_sign("(")):
            return False
        arguments(c)
        if c.take("as"):
            c.column()
        if not c.take_sign(","):
            return c.done or c.at_word("from", "where")
