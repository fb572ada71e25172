"""Reads INSERT, UPDATE, DELETE and MERGE at any depth."""

from __future__ import annotations

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Writes
from migrations.lint.keywords import NOT_A_NAME
from migrations.lint.lexer import PUNCT
from migrations.lint.readers import expression as ex
from migrations.lint.readers import from_clause, query
from migrations.lint.readers.index_elements import conflict_target

WORDS = ("insert", "update", "delete", "merge")
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
    if c.take("overriding"):
        if not c.take_any("user", "system"):
            raise c.unreadable("expected USER or SYSTEM")
        c.expect("value")
    if not c.take("default values"):
        if c.at_word("with"):
            query.query(c)
        else:
            query.select(c)
    if c.take("on conflict"):
        _conflict(c)
    returning(c)


def _query_ahead(c: Cursor) -> bool:
    ahead = 1
    while c.peek(ahead).text == "(" and c.peek(ahead).kind == PUNCT:
        ahead += 1
    word = c.peek(ahead)
    return word.kind == "word" and word.text in ("select", "with", "table", "values")


def columns(c: Cursor) -> None:
    """Read ``(column, column.field, column[1], …)``."""
    c.expect_sign("(")
    while True:
        _assigned(c)
        if not c.take_sign(","):
            break
    c.expect_sign(")")


def _assigned(c: Cursor) -> None:
    c.column()
    ex.indirection(c)


def _conflict(c: Cursor) -> None:
    if c.take("on constraint"):
        c.column()
    elif c.at_sign("("):
        conflict_target(c)
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
    while True:
        if c.at_sign("("):
            columns(c)
        else:
            _assigned(c)
        c.expect_sign("=")
        ex.expression(c)
        if not c.take_sign(","):
            return


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
    query.targets(c)


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
    """Read what MERGE does with a row."""
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
    if c.take("overriding"):
        if not c.take_any("user", "system"):
            raise c.unreadable("expected USER or SYSTEM")
        c.expect("value")
    c.expect("values")
    c.expect_sign("(")
    ex.expressions(c)
    c.expect_sign(")")


_READERS = {"insert": _insert, "update": _update, "delete": _delete, "merge": _merge}
