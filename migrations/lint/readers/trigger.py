"""Reads CREATE TRIGGER, CREATE POLICY and CREATE STATISTICS, and ALTER for the first two."""

from __future__ import annotations

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Changes, Creates, Reads, Renames, Triggers
from migrations.lint.readers import columns
from migrations.lint.readers.expression import group, walk
from migrations.lint.readers.from_clause import from_items

_ROLES = ("public", "current_user", "current_role", "session_user")
_EVENTS = ("insert", "update", "delete", "truncate")


def create(c: Cursor) -> None:
    """Read CREATE [CONSTRAINT] TRIGGER behind its kind."""
    c.word()
    if not (c.take_any("before", "after") or c.take("instead of")):
        raise c.unreadable("expected BEFORE, AFTER or INSTEAD OF")
    _events(c)
    c.expect("on")
    table = c.name()
    if c.take("from"):
        referenced = c.name()
        c.add(Changes(referenced.at, "table", referenced, "CONSTRAINT TRIGGER FROM"))
    columns.constraint_timing(c)
    if c.take("referencing"):
        _transition_tables(c)
    if c.take("for"):
        c.take("each")
        c.take_any("row", "statement")
    if c.take("when"):
        group(c)
    c.expect("execute")
    c.take_any("function", "procedure")
    function = c.name()
    c.add(Triggers(table.at, table, function))
    group(c)


def _events(c: Cursor) -> None:
    while True:
        event = c.take_any(*_EVENTS)
        if not event:
            raise c.unreadable("expected INSERT, UPDATE, DELETE or TRUNCATE")
        if event == "update" and c.take("of"):
            c.names()
        if not c.take("or"):
            return


def _transition_tables(c: Cursor) -> None:
    while c.take_any("old", "new"):
        c.expect("table")
        c.take("as")
        c.word()


def alter(c: Cursor) -> None:
    """Read ALTER TRIGGER behind its kind."""
    c.word()
    c.expect("on")
    table = c.name()
    c.add(Changes(table.at, "table", table, "ALTER TRIGGER"))
    if c.take("rename to"):
        c.word()
        return
    c.take("no")
    c.expect("depends on extension")
    c.refuse("M060", f"extension {c.word()} belongs to the operator", c.previous.start)


def create_policy(c: Cursor) -> None:
    """Read CREATE POLICY behind its kind."""
    c.word()
    c.expect("on")
    table = c.name()
    c.add(Changes(table.at, "table", table, "CREATE POLICY"))
    if c.take("as"):
        c.take_any("permissive", "restrictive")
    if c.take("for"):
        c.take_any("all", "select", "insert", "update", "delete")
    _policy_body(c)


def alter_policy(c: Cursor) -> None:
    """Read ALTER POLICY behind its kind."""
    c.word()
    c.expect("on")
    table = c.name()
    c.add(Changes(table.at, "table", table, "ALTER POLICY"))
    if c.take("rename to"):
        c.word()
    else:
        _policy_body(c)


def _policy_body(c: Cursor) -> None:
    if c.take("to"):
        _roles(c)
    if c.take("using"):
        group(c)
    if c.take("with check"):
        group(c)


def _roles(c: Cursor) -> None:
    while True:
        at, role = c.at, c.word()
        if role not in _ROLES:
            c.refuse("M060", f'role "{role}" belongs to the operator; write the policy for PUBLIC or CURRENT_USER', at)
        if not c.take_sign(","):
            return


def create_statistics(c: Cursor) -> None:
    """Read CREATE STATISTICS behind its kind."""
    missing = c.take("if not exists")
    if not c.at_word("on") and not c.at_sign("("):
        name = c.name()
        c.add(Creates(name.at, "statistics", name, if_missing=missing))
    if c.at_sign("("):
        c.words_in_parens()
    c.expect("on")
    walk(c, frozenset({"from"}), commas=True)
    c.expect("from")
    start = len(c.facts)
    from_items(c)
    for fact in c.facts[start:]:
        if isinstance(fact, Reads):
            c.add(Changes(fact.at, "table", fact.name, "CREATE STATISTICS"))


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
        c.take_sign("-")
        c.next()
