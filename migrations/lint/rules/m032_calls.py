"""M032: a function can do anything; so the list is short."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import Attribute, Calls, Notifies, ReadsSetting
from migrations.lint.functions import is_safe, may_read, needs
from migrations.lint.rules.rule import Context, Hit, Rule


def check(context: Context) -> Iterator[Hit]:
    """Report calls in the statement itself; M041 takes those in bodies, M020 those of other plugins' functions."""
    for fact in context.all(Calls):
        if unsafe(context, fact):
            yield Hit(fact.at, f"function {fact.name}() is not on the list of functions a migration may call")
    for read in context.all(ReadsSetting):
        if strange_setting(context, read):
            yield Hit(read.at, f"current_setting(): {settings(read)}")
    for attribute in context.anywhere(Attribute):
        if context.world.is_no_column(attribute.relation, attribute.name):
            called = f"{attribute.name}({attribute.relation})"
            yield Hit(attribute.at, f"{attribute.relation} has no such column; this means the function {called}")
    for notice in context.all(Notifies):
        if strange_channel(context, notice):
            yield Hit(notice.at, f"pg_notify(): {channels(context)}")


def strange_channel(context: Context, fact: Notifies) -> bool:
    """Whether a notification may reach a channel that does not begin with the plugin's prefix."""
    prefix = context.ownership.prefix
    return fact.channel is None or not fact.channel.startswith(prefix) or (fact.whole and fact.channel == prefix)


def strange_setting(context: Context, fact: ReadsSetting) -> bool:
    """Whether a setting is not on the list, or not known."""
    return fact.setting is None or not may_read(fact.setting, context.ownership.prefix)


def settings(fact: ReadsSetting) -> str:
    """Say which settings may be read."""
    what = "the setting must be a plain literal" if fact.setting is None else f'"{fact.setting[:60]}" may not be read'
    return f"{what}; a migration may read settings such as timezone and those called app.…"


def channels(context: Context) -> str:
    """Say which channels are the plugin's."""
    return f"the channel must begin with '{context.ownership.prefix}', as a literal or a literal || something"


def unsafe(context: Context, fact: Calls) -> bool:
    """Whether a call is neither of an own nor of a safe function."""
    owner = context.ownership.owner(fact.name)
    return owner not in ("plugin", "other plugin") and not is_safe(fact.name) and needs(fact.name) is None


RULE = Rule(
    id="M032",
    title="Call of a function that is not on the list",
    what=(
        "A call, at any depth, of a function that is neither the plugin's own nor one of PostgreSQL's safe functions."
    ),
    why=(
        "`SELECT core_purge()` in a default, a check or an index expression runs with the rights of whoever "
        "inserts the row. Some of PostgreSQL's own functions run SQL that is given as text, read files or "
        "change settings."
    ),
    instead="Use PostgreSQL's plain functions or an own function, whose body is checked when it is made.",
    bad="CREATE TABLE p_audit__a (id int DEFAULT core_purge());",
    good="CREATE TABLE p_audit__a (id int DEFAULT p_audit__next());",
    check=check,
)
