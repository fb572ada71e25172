"""Reads queries of any depth: what they read, write and lock."""

from __future__ import annotations

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Locks, Reads, Writes
from migrations.lint.keywords import NOT_A_NAME
from migrations.lint.lexer import PUNCT, WORD
from migrations.lint.names import Name
from migrations.lint.readers import expression, from_clause

_DATA_WORDS = ("insert", "update", "delete", "merge")
_INSERT_STOPS = frozenset({"on", "returning"})
_EMPTY: frozenset[str] = frozenset()
_NOT_AN_ALIAS = NOT_A_NAME | {"set"}


def query(c: Cursor, stops: frozenset[str] = _EMPTY) -> None:
    """Read a query or a data-modifying statement, with its WITH."""
    outer = len(c.common_tables)
    if c.at_word("with"):
        with_clause(c)
    if c.at_word(*_DATA_WORDS):
        _modify(c, stops)
    else:
        clauses(c, stops)
    del c.common_tables[outer:]


def with_clause(c: Cursor) -> None:
    """Read WITH and its common tables."""
    c.expect("with")
    recursive = c.take("recursive")
    while True:
        name = c.word()
        if c.at_sign("("):
            c.words_in_parens()
        c.expect("as")
        c.take("not")
        c.take("materialized")
        if recursive:
            c.common_tables.append(name)
        c.expect_sign("(")
        query(c)
        c.expect_sign(")")
        c.common_tables.append(name)
        _search_and_cycle(c)
        if not c.take_sign(","):
            return


def _search_and_cycle(c: Cursor) -> None:
    if c.take("search"):
        c.take_any("depth", "breadth")
        c.expect("first by")
        c.names()
        c.expect("set")
        c.word()
    if c.take("cycle"):
        c.names()
        c.expect("set")
        c.word()
        if c.take("to"):
            expression.step(c)
            c.expect("default")
            expression.step(c)
        c.expect("using")
        c.word()


def clauses(c: Cursor, stops: frozenset[str] = _EMPTY) -> None:
    """Read the clauses of a query up to a closing parenthesis, a semicolon or a stop word."""
    start = len(c.facts)
    while not c.done:
        token = c.token
        if token.kind == PUNCT and token.text in (")", ";", "]"):
            return
        if token.kind != WORD:
            expression.step(c)
        elif token.text in stops and not c.at_words("with time zone"):
            return
        elif token.text == "from" and not (c.previous.kind == WORD and c.previous.text == "distinct"):
            c.next()
            from_clause.from_items(c)
        elif token.text in ("union", "intersect", "except", "select"):
            c.next()
        elif not (token.text == "for" and locking(c, start)):
            expression.step(c, stops)


def table_command(c: Cursor) -> None:
    """Read ``TABLE name``, short for selecting all of it."""
    c.expect("table")
    c.take("only")
    name = c.name()
    c.take_sign("*")
    c.add(Reads(name.at, name, name.last))


def into(c: Cursor) -> None:
    """Read INTO: variables in a body, a new table elsewhere."""
    at = c.at
    c.expect("into")
    if c.in_body:
        c.take("strict")
        _variable(c)
        while c.take_sign(","):
            _variable(c)
        return
    while c.take_any("temp", "temporary", "unlogged", "local", "global", "table"):
        pass
    c.refuse("M031", f'SELECT … INTO creates table "{c.name()}"', at)


def _variable(c: Cursor) -> None:
    c.name()
    while c.at_sign("["):
        expression.step(c)


def locking(c: Cursor, start: int) -> bool:
    """Read ``FOR UPDATE OF …`` if it comes next; ``start`` is the query's first fact."""
    strength = next((s for s in ("update", "no key update", "share", "key share") if c.at_words(f"for {s}")), None)
    if strength is None:
        return False
    at = c.at
    c.take(f"for {strength}")
    only = [name.last for name in c.names()] if c.take("of") else []
    reads = [fact for fact in c.facts[start:] if isinstance(fact, Reads)]
    named = [fact for fact in reads if fact.alias in only]
    if len(named) == len(only) and only:
        reads = named
    c.take("nowait")
    c.take("skip locked")
    c.add(Locks(at, tuple(fact.name for fact in reads), strength.upper()))
    return True


def _modify(c: Cursor, stops: frozenset[str]) -> None:
    verb = c.next().text
    at = c.previous.start
    if verb in ("insert", "merge"):
        c.expect("into")
    elif verb == "delete":
        c.expect("from")
    name = _target(c)
    c.add(Writes(at, verb.upper(), name))
    if verb == "insert":
        _insert(c, stops)
        return
    from_clause.alias(c, _NOT_AN_ALIAS)
    if verb in ("delete", "merge") and c.take("using"):
        from_clause.from_items(c)
    clauses(c, stops)


def _target(c: Cursor) -> Name:
    c.take("only")
    parens = c.take_sign("(")
    name = c.name()
    if parens:
        c.expect_sign(")")
    c.take_sign("*")
    return name


def _insert(c: Cursor, stops: frozenset[str]) -> None:
    if c.take("as"):
        c.word()
    if (
        c.at_sign("(")
        and not (c.peek().kind == WORD and c.peek().text in expression.STATEMENT_WORDS)
        and c.peek().text != "("
    ):
        expression.group(c)
    if c.take("overriding"):
        c.take_any("user", "system")
        c.expect("value")
    if not c.take("default values"):
        query(c, stops | _INSERT_STOPS)
    _conflict(c)
    clauses(c, stops)


def _conflict(c: Cursor) -> None:
    """Read the target of ON CONFLICT: its index expressions look like calls with operator classes."""
    if c.take("on conflict") and c.at_sign("("):
        expression.group(c)
    expression.walk(c, frozenset({"returning"}), commas=True)
