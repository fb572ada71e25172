"""Reads INSERT, UPDATE, DELETE and MERGE at any depth, and the statements of a migration that change rows."""

from __future__ import annotations

from contextlib import suppress

from migrations.lint.cursor import Cursor, UnreadableError
from migrations.lint.facts import Refused, Writes
from migrations.lint.keywords import NOT_A_NAME
from migrations.lint.lexer import PUNCT, WORD
from migrations.lint.readers import call, from_clause, index, query
from migrations.lint.readers import expression as ex

WORDS = ("insert", "update", "delete", "merge")
_ENDS_WITH = frozenset({*WORDS, "select", "values", "table"})
_NOT_AN_ALIAS = NOT_A_NAME | {"set"}


def modify(c: Cursor) -> None:
    """Read a data-modifying statement behind its WITH."""
    mark, aliases = len(c.references), len(c.aliases)
    verb = c.next().text
    _READERS[verb](c, verb)
    c.resolve(mark, aliases)


def _target(c: Cursor, verb: str, at: int) -> None:
    """Read the table that is written and, but for INSERT, its alias."""
    parens = verb != "insert" and c.take("only") and c.take_sign("(")
    name = c.name()
    if parens:
        c.expect_sign(")")
    if verb in ("update", "delete"):
        c.take_sign("*")
    c.add(Writes(at, verb.upper(), name))
    called = ""
    if verb == "insert":
        called = c.column() if c.take("as") else ""
    elif c.take("as") or c.at_name(_NOT_AN_ALIAS):
        called = c.column()
    c.aliases.append((called or name.last, name))


def _insert(c: Cursor, verb: str) -> None:
    at = c.previous.start
    c.expect("into")
    _target(c, verb, at)
    if c.at_sign("(") and not _query_ahead(c):
        columns(c)
    _overriding(c)
    if not c.take("default values"):
        if c.at_word("with"):
            query.query(c)
        else:
            query.select(c)
    if c.take("on conflict"):
        _conflict(c)
    returning(c)


def _overriding(c: Cursor) -> None:
    if c.take("overriding"):
        if not c.take_any("user", "system"):
            raise c.unreadable("expected USER or SYSTEM")
        c.expect("value")


def _query_ahead(c: Cursor) -> bool:
    ahead = 1
    while c.peek(ahead).text == "(" and c.peek(ahead).kind == PUNCT:
        ahead += 1
    word = c.peek(ahead)
    return word.kind == "word" and word.text in ("select", "with", "table", "values")


def columns(c: Cursor) -> None:
    """Read ``(column, column.field, column[1], …)``."""
    c.enclosed(lambda c: c.listed(_assigned))


def _assigned(c: Cursor) -> None:
    c.column()
    ex.indirection(c)


def _conflict(c: Cursor) -> None:
    if c.take("on constraint"):
        c.column()
    elif c.at_sign("("):
        index.elements(c)
        if c.take("where"):
            ex.expression(c)
    if c.take("do nothing"):
        return
    c.expect("do update set")
    assignments(c)
    if c.take("where"):
        ex.expression(c)


def assignments(c: Cursor) -> None:
    """Read the list behind SET."""
    c.listed(_assignment)


def _assignment(c: Cursor) -> None:
    if c.at_sign("("):
        columns(c)
    else:
        _assigned(c)
    c.expect_sign("=")
    ex.expression(c)


def returning(c: Cursor) -> None:
    """Read RETURNING and its list."""
    if not c.take("returning"):
        return
    if c.at_word("with") and c.peek().text == "(":
        c.refuse("M072", "RETURNING WITH (OLD AS …) needs PostgreSQL 18; 15 and newer are supported")
        while not c.done and not c.take_sign(")"):
            c.next()
    if c.done or c.at_sign(")", ";"):
        raise c.unreadable("expected an expression")
    mark = len(c.references)
    query.targets(c)
    known = {alias for alias, _ in c.aliases}
    for reference in c.references[mark:]:
        if reference.parts[0] in ("old", "new") and len(reference.parts) > 1 and reference.parts[0] not in known:
            what = reference.parts[0].upper()
            c.refuse("M072", f"RETURNING {what}.… needs PostgreSQL 18; 15 and newer are supported", reference.at)


def _update(c: Cursor, verb: str) -> None:
    _target(c, verb, c.previous.start)
    c.expect("set")
    assignments(c)
    if c.take("from"):
        from_clause.from_items(c)
    _where(c)
    returning(c)


def _delete(c: Cursor, verb: str) -> None:
    at = c.previous.start
    c.expect("from")
    _target(c, verb, at)
    if c.take("using"):
        from_clause.from_items(c)
    _where(c)
    returning(c)


def _where(c: Cursor) -> None:
    if c.take("where"):
        if c.take("current of"):
            c.column()
        else:
            ex.expression(c)


def _merge(c: Cursor, verb: str) -> None:
    at = c.previous.start
    c.expect("into")
    _target(c, verb, at)
    c.expect("using")
    from_clause.item(c)
    c.expect("on")
    ex.expression(c)
    if not c.at_word("when"):
        raise c.unreadable("expected WHEN")
    while c.take("when"):
        matched = not c.take("not")
        c.expect("matched")
        if c.at_words("by source") or c.at_words("by target"):
            c.refuse("M072", "MERGE … WHEN NOT MATCHED BY needs PostgreSQL 17; 15 and newer are supported")
            matched = c.at_words("by source")
            c.next()
            c.next()
        if c.take("and"):
            ex.expression(c)
        c.expect("then")
        _merged(c, matched=matched)
    if c.at_word("returning"):
        c.refuse("M072", "MERGE … RETURNING needs PostgreSQL 17; 15 and newer are supported")
        returning(c)


def _merged(c: Cursor, *, matched: bool) -> None:
    """Read the action of MERGE on a row."""
    if c.take("do nothing"):
        return
    if matched:
        if not c.take("delete"):
            c.expect("update set")
            assignments(c)
        return
    c.expect("insert")
    if c.take("default values"):
        return
    if c.at_sign("("):
        columns(c)
    _overriding(c)
    c.expect("values")
    c.enclosed(ex.expressions)


_READERS = {"insert": _insert, "update": _update, "delete": _delete, "merge": _merge}


def data(c: Cursor) -> None:
    """Read a statement that begins with WITH, INSERT, UPDATE, DELETE, MERGE, SELECT, VALUES, TABLE or ``(``."""
    if _changes(c) or _sets_sequences(c):
        query.query(c)
    else:
        _refuse_query(c)


def _changes(c: Cursor) -> bool:
    """Whether the statement, behind its WITH, changes rows."""
    if not c.at_word("with"):
        return c.at_word(*WORDS)
    ahead, depth = 1, 0
    while c.peek(ahead).kind != "end":
        token = c.peek(ahead)
        if token.kind == PUNCT:
            depth += (token.text == "(") - (token.text == ")")
        elif token.kind == WORD and not depth and token.text in _ENDS_WITH:
            return token.text in WORDS
        ahead += 1
    return False


def _refuse_query(c: Cursor) -> None:
    """Refuse a SELECT, with all faults inside of it."""
    word, at, before = c.token.text[:20].upper(), c.at, len(c.facts)
    with suppress(UnreadableError):
        query.query(c)
    c.skip_all()
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
        call.arguments(c)
        if c.take("as"):
            c.column()
        if not c.take_sign(","):
            return c.done or c.at_word("from", "where")
