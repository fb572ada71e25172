"""The list of statements that a migration may hold, each with its reader.

A reader notes the objects that a statement creates, changes, reads, writes and calls (``facts``). A statement that no
reader knows is refused: the list grows by a line here, never by an exception.
"""

from __future__ import annotations

from collections.abc import Callable

from migrations.lint.cursor import Cursor, UnreadableError
from migrations.lint.facts import Columns, Creates, Reading
from migrations.lint.readers import (
    alter_table,
    drop,
    function,
    index,
    modify,
    refused,
    relations,
    sequence,
    trigger,
    type_,
)
from migrations.lint.statement import Statement

_Reader = Callable[[Cursor], None]

_CREATE: tuple[tuple[str, _Reader], ...] = (
    ("table", relations.create),
    ("unique index", index.create),
    ("index", index.create),
    ("view", relations.create_view),
    ("recursive view", relations.create_recursive_view),
    ("materialized view", relations.create_materialized_view),
    ("sequence", sequence.create),
    ("type", type_.create),
    ("domain", type_.create_domain),
    ("function", lambda c: function.create(c, "function")),
    ("procedure", lambda c: function.create(c, "procedure")),
    ("trigger", trigger.create),
    ("constraint trigger", trigger.create_constraint),
    ("policy", trigger.create_policy),
    ("statistics", trigger.create_statistics),
)
_REPLACE: tuple[tuple[str, _Reader], ...] = (
    ("view", lambda c: relations.create_view(c, replaces=True)),
    ("recursive view", lambda c: relations.create_recursive_view(c, replaces=True)),
    ("function", lambda c: function.create(c, "function", replaces=True)),
    ("procedure", lambda c: function.create(c, "procedure", replaces=True)),
    ("trigger", trigger.create),
)
_ALTER: tuple[tuple[str, _Reader], ...] = (
    ("table", lambda c: alter_table.alter(c, "table")),
    ("index", lambda c: alter_table.alter(c, "index")),
    ("view", lambda c: alter_table.alter(c, "view")),
    ("materialized view", lambda c: alter_table.alter(c, "materialized view")),
    ("sequence", sequence.alter),
    ("type", type_.alter),
    ("domain", type_.alter_domain),
    ("function", lambda c: function.alter(c, "function")),
    ("procedure", lambda c: function.alter(c, "procedure")),
    ("routine", lambda c: function.alter(c, "routine")),
    ("trigger", trigger.alter),
    ("policy", trigger.alter_policy),
    ("statistics", trigger.alter_statistics),
)
_NAMED_KINDS = (
    "table", "view", "materialized view", "index", "sequence", "type", "domain", "function", "procedure", "routine",
    "statistics", "trigger", "policy",
)  # fmt: skip
_COMMENTED_KINDS = (*_NAMED_KINDS, "column", "constraint")
_DATA_WORDS = ("with", "insert", "update", "delete", "merge", "select", "values", "table")

ALLOWED = (
    "CREATE, ALTER, DROP and COMMENT ON own tables, indexes, views, sequences, types, domains, functions, triggers,"
    " policies and statistics; INSERT, UPDATE, DELETE, MERGE and TRUNCATE on own tables; SELECT setval; ANALYZE;"
    " REFRESH MATERIALIZED VIEW; SET LOCAL lock_timeout or statement_timeout"
)
"""The statements that a migration may hold, for the message on any other."""


def read(statement: Statement) -> Reading:
    """Return the facts about a statement; never raises."""
    reading = Reading()
    c = Cursor(statement.tokens, reading.facts)
    c.body = reading.body
    c.labels = reading.labels
    reading.form = refused.form_of(c)
    try:
        _statement(c)
        c.expect_end()
    except UnreadableError as error:
        reading.failure = (error.at, str(error))
    except RecursionError:
        reading.failure = (statement.start, "it nests too deeply")
    return reading


def _statement(c: Cursor) -> None:
    if (c.at_word("reindex") and index.reindex(c)) or refused.first_word(c) is not None:
        return
    if c.take("create"):
        _create(c)
    elif c.take("alter"):
        _of_kind(c, "ALTER", _ALTER)
    elif c.take("drop"):
        _of_kind(c, "DROP", tuple((kind, _bound(drop.drop, kind)) for kind in _NAMED_KINDS))
    elif c.take("comment on"):
        _of_kind(c, "COMMENT ON", tuple((kind, _bound(drop.comment, kind)) for kind in _COMMENTED_KINDS))
    elif c.take("truncate"):
        drop.truncate(c)
    elif c.take("refresh materialized view"):
        relations.refresh(c)
    elif c.take("analyze") or c.take("analyse"):
        drop.analyze(c)
    elif c.at_word(*_DATA_WORDS) or c.at_sign("("):
        modify.data(c)
    else:
        raise UnreadableError(c.at, NOT_LISTED)


NOT_LISTED = "not on the list"
"""The failure of a statement whose very form is unknown."""


def _bound(reader: Callable[[Cursor, str], None], kind: str) -> _Reader:
    return lambda c: reader(c, kind)


def _create(c: Cursor) -> None:
    replaces = c.take("or replace")
    at = c.at
    scope = c.take_any("local", "global")
    temporary = c.take_any("temp", "temporary")
    if scope and not temporary:
        raise c.unreadable("expected TEMPORARY")
    if temporary:
        c.refuse("M002", "a TEMP object would hide the server's table of that name from the rest of the session", at)
    unlogged = c.take("unlogged")
    if unlogged and not c.at_word("table", "sequence"):
        raise c.unreadable("expected TABLE or SEQUENCE")
    _of_kind(c, "CREATE", _REPLACE if replaces else _CREATE)
    if unlogged:
        made = next((fact for fact in c.facts if isinstance(fact, Creates)), None)
        if made is not None:
            c.add(Columns(at, made.name, "", "unlogged"))


def _of_kind(c: Cursor, verb: str, readers: tuple[tuple[str, _Reader], ...]) -> None:
    for kind, reader in readers:
        if c.take(kind):
            reader(c)
            return
    if not refused.operators_kind(c, verb):
        raise UnreadableError(c.at, NOT_LISTED)
