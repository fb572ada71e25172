"""C010: data is lost on purpose or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterator

from migrations.lint.facts import Columns, Drops, DropsPart, Refused, Writes
from migrations.lint.rules.rule import Context, Hit, Rule

_MARKER = re.compile(r"^[ \t]*--[ \t]*destructive:[ \t]*\S", re.MULTILINE)
_LOSES_ROWS = ("table", "sequence", "type", "materialized view", "domain")
_WIDE = ("type text", "type bigint", "type int8", "type numeric", "type timestamptz", "type jsonb")


def check(context: Context) -> Iterator[Hit]:
    """Report losses without a marker."""
    statement = context.statement
    if _MARKER.search(context.sql, statement.before, statement.start):
        return
    for at, what in _losses(context):
        yield Hit(at, f"{what} without a line -- destructive: <reason> above it")


def _losses(context: Context) -> Iterator[tuple[int, str]]:  # noqa: C901 - one branch per kind of loss
    for drop in context.all(Drops):
        if drop.verb == "TRUNCATE" or drop.kind in _LOSES_ROWS:
            yield drop.at, f"{drop.verb} {drop.kind.upper()} {drop.name}"
    for part in context.all(DropsPart):
        if part.kind == "column":
            yield part.at, f"DROP COLUMN {part.name}"
    for refused in context.all(Refused):
        if refused.rule == "M013":
            yield refused.at, "CASCADE"
    for change in context.all(Columns):
        if change.change.startswith("type ") and change.change not in _WIDE:
            yield change.at, f"a change of {change.column} to {change.change.removeprefix('type ')}"
    if not any(token.text == "where" for token in context.statement.tokens):
        for write in (each for each in context.all(Writes) if each.verb == "DELETE"):
            yield write.at, f"{write.verb} of all rows of {write.name}"


RULE = Rule(
    id="C010",
    title="Destructive core migration without a marker",
    what=(
        "DROP TABLE, SEQUENCE, TYPE or MATERIALIZED VIEW, DROP COLUMN, TRUNCATE, CASCADE, DELETE without "
        "WHERE, and a change of a column's type to a narrower one, without a line `-- destructive: <reason>` "
        "above the statement."
    ),
    why=("During a rolling upgrade the older servers still use what is dropped, and no rollback brings rows back."),
    instead=("Put a line `-- destructive: <reason>` directly above the statement, saying why the loss is right."),
    bad="DROP TABLE old_timer;",
    good=("-- destructive: replaced by timer in 0007, empty since then\nDROP TABLE old_timer;"),
    check=check,
    applies="core",
)
