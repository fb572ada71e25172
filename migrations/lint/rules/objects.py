"""Rules on objects: changes and drops of others' objects, ties to them, triggers, and losses of data in the core."""

from __future__ import annotations

import re
from collections.abc import Iterator

from migrations.lint.cascades import CONCERNED
from migrations.lint.facts import (
    Calls,
    Changes,
    Columns,
    Creates,
    Drops,
    DropsPart,
    ForeignKey,
    Joins,
    Reads,
    Refused,
    Renames,
    Triggers,
    UsesRow,
    UsesType,
    Writes,
)
from migrations.lint.names import PUBLISHED_TABLES, is_clean, plugin_of
from migrations.lint.rules.rule import Context, Hit

_MADE_A = {"partition": "a partition", "inheritance": "a child"}
_BUILT_IN_TRIGGERS = ("suppress_redundant_updates_trigger", "tsvector_update_trigger")
_DESTRUCTIVE = re.compile(r"^[ \t]*--[ \t]*destructive:[ \t]*\S", re.MULTILINE)
_LOSES_ROWS = ("table", "sequence", "type", "materialized view", "domain")
_WIDE = ("type text", "type bigint", "type int8", "type numeric", "type timestamptz", "type jsonb")


def changes(context: Context) -> Iterator[Hit]:
    """Yield changes of objects that are not own, and foreign keys to tables that are not published."""
    for fact in context.all(Changes):
        if context.foreign(fact.name):
            message = f'"{fact.name}" belongs to the server; a plugin may reference it by foreign key, never change it'
            if context.ownership.owner(fact.name) == "other plugin":
                message = f'"{fact.name}" belongs to another plugin'
            yield Hit(fact.at, message)
    for key in context.all(ForeignKey):
        if context.ownership.owner(key.target) in ("server", "elsewhere") and key.target.last not in PUBLISHED_TABLES:
            published = ", ".join(PUBLISHED_TABLES)
            yield Hit(key.at, f'foreign key to "{key.target}", which is not published; published are {published}')


def renames(context: Context) -> Iterator[Hit]:
    """Yield renames of own objects that lose the prefix."""
    for fact in context.all(Renames):
        was_own = context.ownership.has_prefix(fact.old.last)
        if was_own and not context.ownership.owns(fact.new) and is_clean(fact.new.last):
            yield Hit(fact.at, f"{fact.old.last} may be renamed only to another {context.own_name()} name")


def drops(context: Context) -> Iterator[Hit]:
    """Yield each item of a DROP or TRUNCATE that is not own."""
    for fact in context.all(Drops):
        if context.foreign(fact.name):
            on = "on " if fact.kind in ("trigger", "policy") else ""
            what = f'{fact.verb} {fact.kind.upper()} {on}"{fact.name}"'
            yield Hit(fact.at, f'{what}: "{fact.name}" is not this plugin\'s')


def ties(context: Context) -> Iterator[Hit]:
    """Yield ties by inheritance and by type, and every use of another plugin's objects."""
    yield from _joins(context)
    for use in context.anywhere(UsesType):
        text_only = use.copied and not use.declared
        if context.foreign(use.name) and not (text_only and context.ownership.owner(use.name) == "server"):
            yield Hit(use.at, f'type "{use.name}" is neither built in nor this plugin\'s')
    yield from _rows(context)
    for fact in context.anywhere(Reads, Calls):
        if context.ownership.owner(fact.name) == "other plugin":
            yield Hit(fact.at, f'"{fact.name}" belongs to another plugin; plugins do not use one another')


def _rows(context: Context) -> Iterator[Hit]:
    """Yield whole rows of others in the query of a table or view, which can get a column of the row's type."""
    made = next(context.all(Creates), None)
    if made is None or made.kind not in ("table", "view", "materialized view"):
        return
    for use in context.all(UsesRow):
        if not context.ownership.owns(use.relation):
            message = f'a whole row of "{use.relation}" would give {made.name} a column of its type; name the columns'
            yield Hit(use.at, message)


def _joins(context: Context) -> Iterator[Hit]:
    for fact in context.all(Joins):
        if fact.how == "copied" and context.ownership.owner(fact.parent) == "server":
            continue
        foreign = next((name for name in (fact.parent, fact.child) if context.foreign(name)), None)
        if foreign is not None and fact.how in _MADE_A:
            yield Hit(fact.at, f'{fact.child} would become {_MADE_A[fact.how]} of "{fact.parent}"')
        elif foreign is fact.parent:
            yield Hit(fact.at, f'LIKE "{foreign}" would copy defaults that use objects of others into {fact.child}')


def plugin_keys(context: Context) -> Iterator[Hit]:
    """Yield foreign keys to tables of other plugins."""
    for key in context.all(ForeignKey):
        if context.ownership.owner(key.target) == "other plugin":
            only = "only core tables and own tables may be referenced"
            yield Hit(key.at, f'{key.target} belongs to plugin "{plugin_of(key.target.last)}"; {only}')


def triggers(context: Context) -> Iterator[Hit]:
    """Yield triggers on tables of others, and those that run a function of others."""
    for fact in context.all(Triggers):
        if context.foreign(fact.table):
            yield Hit(fact.at, f'trigger on "{fact.table}": triggers only on {context.own_name()} tables')
        built_in = fact.function.last in _BUILT_IN_TRIGGERS and fact.function.parts[:-1] in ((), ("pg_catalog",))
        if not built_in and not context.ownership.owns(fact.function):
            yield Hit(fact.function.at, f'trigger runs "{fact.function}", which is not this plugin\'s function')


def cascades(context: Context) -> Iterator[Hit]:
    """Yield triggers that the statement brings into a cascade, or makes harmful there."""
    concerned = [fact for fact in context.reading.facts if isinstance(fact, CONCERNED)]
    if not concerned:
        return
    before = context.world.cascades
    after = before.copy()
    for fact in context.reading.facts:
        after.update(fact)
    faults = after.faults(context.ownership) if after.triggers else set()
    for fault in sorted(faults - before.faults(context.ownership) if faults else faults):
        yield Hit(concerned[-1].at, fault)


def destructive(context: Context) -> Iterator[Hit]:
    """Yield losses of data in a core migration that have no marker above them."""
    statement = context.statement
    if _DESTRUCTIVE.search(context.sql, statement.before, statement.start):
        return
    for at, loss in _losses(context):
        yield Hit(at, f"{loss} without a line -- destructive: <reason> above it")


def _losses(context: Context) -> Iterator[tuple[int, str]]:
    for drop in context.all(Drops):
        if drop.verb == "TRUNCATE" or drop.kind in _LOSES_ROWS:
            yield drop.at, f"{drop.verb} {drop.kind.upper()} {drop.name}"
    yield from ((part.at, f"DROP COLUMN {part.name}") for part in context.all(DropsPart) if part.kind == "column")
    yield from ((refused.at, "CASCADE") for refused in context.all(Refused) if refused.rule == "M013")
    for change in context.all(Columns):
        if change.change.startswith("type ") and change.change not in _WIDE:
            yield change.at, f"a change of {change.column} to {change.change.removeprefix('type ')}"
    if not any(token.text == "where" for token in context.statement.tokens):
        deletes = (write for write in context.all(Writes) if write.verb == "DELETE")
        yield from ((write.at, f"{write.verb} of all rows of {write.name}") for write in deletes)
