"""Reads CREATE and ALTER of triggers, policies and statistics."""

from __future__ import annotations

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Changes, Creates, Reads, Renames, Triggers
from migrations.lint.lexer import DOLLAR, ESCAPED, NUMBER, QUOTED, STRING, WORD
from migrations.lint.readers import columns
from migrations.lint.readers.expression import call_only, in_parens
from migrations.lint.readers.from_clause import from_items
from migrations.lint.readers.sequence import number

_ROLES = ("public", "current_user", "current_role", "session_user")
_EVENTS = ("insert", "update", "delete", "truncate")


def create_constraint(c: Cursor) -> None:
    """Read CREATE CONSTRAINT TRIGGER behind its kind."""
    create(c, constraint=True)


def create(c: Cursor, *, constraint: bool = False) -> None:
    """Read CREATE TRIGGER behind its kind."""
    called = c.column()
    timing = c.take_any("before", "after") or ("instead of" if c.take("instead of") else "")
    if not timing:
        raise c.unreadable("expected BEFORE, AFTER or INSTEAD OF")
    events, updated = _events(c)
    c.expect("on")
    table = c.name()
    if constraint:
        if c.take("from"):
            referenced = c.name()
            c.add(Changes(referenced.at, "table", referenced, "CONSTRAINT TRIGGER FROM"))
        columns.constraint_timing(c)
    if c.take("referencing"):
        _transition_tables(c)
    each_row = False
    if c.take("for"):
        if not c.take("each") and constraint:
            raise c.unreadable("expected EACH")
        each_row = c.at_word("row")
        if not c.take_any("row", "statement"):
            raise c.unreadable("expected ROW or STATEMENT")
    conditional = c.take("when")
    if conditional:
        in_parens(c)
    c.expect("execute")
    if not c.take_any("function", "procedure"):
        raise c.unreadable("expected FUNCTION")
    function = c.routine()
    c.add(Triggers(table.at, table, function, called, timing, events, updated, each_row, conditional))
    _arguments(c)


def _arguments(c: Cursor) -> None:
    """Read the arguments that a trigger passes to its function: words, numbers and literals."""

    def argument(c: Cursor) -> None:
        if c.token.kind not in (WORD, QUOTED, NUMBER, STRING, DOLLAR, ESCAPED):
            raise c.unreadable("expected a literal")
        c.next()

    c.expect_sign("(")
    if not c.at_sign(")"):
        c.listed(argument)
    c.expect_sign(")")


def _events(c: Cursor) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read the events, and the columns behind UPDATE OF."""
    events: list[str] = []
    updated: list[str] = []
    while True:
        event = c.take_any(*_EVENTS)
        if not event:
            raise c.unreadable("expected INSERT, UPDATE, DELETE or TRUNCATE")
        events.append(event)
        if event == "update" and c.take("of"):
            updated += [name.last for name in c.names(c.column_name)]
        if not c.take("or"):
            return tuple(events), tuple(updated)


def _transition_tables(c: Cursor) -> None:
    while c.take_any("old", "new"):
        c.expect("table")
        c.take("as")
        c.column()


def _on_table(c: Cursor, action: str) -> None:
    """Read ``name ON table``."""
    c.column()
    c.expect("on")
    table = c.name()
    c.add(Changes(table.at, "table", table, action))


def alter(c: Cursor) -> None:
    """Read ALTER TRIGGER behind its kind."""
    _on_table(c, "ALTER TRIGGER")
    if c.take("rename to"):
        c.column()
        return
    c.take("no")
    c.expect("depends on extension")
    c.refuse("M060", f"extension {c.column()} belongs to the operator", c.previous.start)


def create_policy(c: Cursor) -> None:
    """Read CREATE POLICY behind its kind."""
    _on_table(c, "CREATE POLICY")
    if c.take("as") and not c.take_any("permissive", "restrictive"):
        raise c.unreadable("expected PERMISSIVE or RESTRICTIVE")
    if c.take("for") and not c.take_any("all", "select", "insert", "update", "delete"):
        raise c.unreadable("expected ALL, SELECT, INSERT, UPDATE or DELETE")
    _policy_body(c)


def alter_policy(c: Cursor) -> None:
    """Read ALTER POLICY behind its kind."""
    _on_table(c, "ALTER POLICY")
    if c.take("rename to"):
        c.column()
    else:
        _policy_body(c)


def _policy_body(c: Cursor) -> None:
    if c.take("to"):
        c.listed(_role)
    if c.take("using"):
        in_parens(c)
    if c.take("with check"):
        in_parens(c)


def _role(c: Cursor) -> None:
    at, role = c.at, c.word()
    if role not in _ROLES:
        c.refuse("M060", f'role "{role}" belongs to the operator; write the policy for PUBLIC or CURRENT_USER', at)


def create_statistics(c: Cursor) -> None:
    """Read CREATE STATISTICS behind its kind."""
    missing = c.take("if not exists")
    if not c.at_word("on") and not c.at_sign("("):
        name = c.name()
        c.add(Creates(name.at, "statistics", name, if_missing=missing))
    else:
        c.refuse("M072", "statistics without a name need PostgreSQL 16; give them one")
    if c.at_sign("("):
        c.words_in_parens()
    c.expect("on")
    c.listed(_statistic)
    c.expect("from")
    start = len(c.facts)
    from_items(c)
    for fact in c.facts[start:]:
        if isinstance(fact, Reads):
            c.add(Changes(fact.at, "table", fact.name, "CREATE STATISTICS"))


def _statistic(c: Cursor) -> None:
    if c.at_sign("("):
        in_parens(c)
    elif c.peek().text == "(":
        call_only(c)
    else:
        c.column()


def alter_statistics(c: Cursor) -> None:
    """Read ALTER STATISTICS behind its kind."""
    c.if_exists()
    name = c.name()
    c.add(Changes(name.at, "statistics", name, "ALTER"))
    at = c.at
    if c.take("rename to"):
        new = c.name()
        c.add(Renames(new.at, "statistics", name, new))
    elif c.take("set schema") or c.take("owner to"):
        c.refuse("M011", f'moving {name} to "{c.word()}" would take it out of the plugin\'s hands', at)
    else:
        c.expect("set statistics")
        number(c)
