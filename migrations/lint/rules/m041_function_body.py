"""M041: a body is checked like a migration."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import Calls, Creates, Notifies, ReadsSetting, Refused, Writes
from migrations.lint.rules.m032_calls import channels, settings, strange_channel, strange_setting, unsafe
from migrations.lint.rules.rule import Context, Hit, Rule


def check(context: Context) -> Iterator[Hit]:
    """Report what a body does; the line is counted from the body's first."""
    made = next(context.all(Creates), None)
    if made is None:
        return
    for at, what in _deeds(context):
        line = context.sql.count("\n", context.statement.start, at) + 1
        yield Hit(at, f"{made.name} line {line}: {what}")


def _deeds(context: Context) -> Iterator[tuple[int, str]]:
    for refused in context.in_body(Refused):
        yield refused.at, refused.message
    for write in context.in_body(Writes):
        if context.foreign(write.name):
            yield write.at, f"{write.verb} {write.name}: a plugin writes only {context.own_name()} tables"
        elif context.world.reaches_others(write.name.last):
            yield write.at, f"{write.verb} {write.name}: this view leads to tables that are not the plugin's"
    yield from _calls(context)


def _calls(context: Context) -> Iterator[tuple[int, str]]:
    for call in context.in_body(Calls):
        if unsafe(context, call):
            yield call.at, f"function {call.name}() is not on the list of functions a plugin may call"
    for read in context.in_body(ReadsSetting):
        if strange_setting(context, read):
            yield read.at, f"current_setting(): {settings(read)}"
    for notice in context.in_body(Notifies):
        if strange_channel(context, notice):
            yield notice.at, f"pg_notify(): {channels(context)}"


RULE = Rule(
    id="M041",
    title="Function body that does what a migration may not",
    what=(
        "EXECUTE, DDL, transaction control, COPY, SET, calls of functions that are not on the list, writes to "
        "tables that are not the plugin's, inside a function."
    ),
    why=("A function is the longest way round every other rule: it is made today and called by a trigger tomorrow."),
    instead="Keep to queries, own tables, own functions and PL/pgSQL's control statements; no dynamic SQL.",
    bad=("CREATE FUNCTION p_audit__f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DROP TABLE tenant'; END $$;"),
    good=("CREATE FUNCTION p_audit__f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DELETE FROM p_audit__a; END $$;"),
    check=check,
)
