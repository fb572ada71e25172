"""Reads statements about rows: INSERT, UPDATE, DELETE, MERGE, and the SELECTs that set a sequence."""

from __future__ import annotations

from contextlib import suppress

from migrations.lint.cursor import Cursor, UnreadableError
from migrations.lint.facts import Refused
from migrations.lint.readers.expression import group
from migrations.lint.readers.query import query, with_clause

_CHANGES = ("insert", "update", "delete", "merge")


def data(c: Cursor) -> None:
    """Read a statement that begins with WITH, INSERT, UPDATE, DELETE, MERGE, SELECT, VALUES, TABLE or ``(``."""
    start, facts = c.index, len(c.facts)
    if not c.at_word("with"):
        changes, sets = c.at_word(*_CHANGES), _sets_sequences(c)
    else:
        with_clause(c)
        changes, sets = c.at_word(*_CHANGES), False
        del c.facts[facts:]
        c.common_tables.clear()
    c.index = start
    if changes or sets:
        query(c)
        return
    _refused(c)


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
        group(c)
        if c.take("as"):
            c.word()
        if not c.take_sign(","):
            return c.done or c.at_word("from", "where")
