"""M031: a migration changes things; it does not look at them."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import Creates, Locks
from migrations.lint.names import Name
from migrations.lint.rules.m030_writes import over_others
from migrations.lint.rules.rule import Context, Hit, Rule


def check(context: Context) -> Iterator[Hit]:
    """Report row locks on foreign tables; the readers report SELECTs by their form."""
    for fact in context.anywhere(Locks):
        names = sorted({str(name) for name in fact.names if _leads_to_others(context, name)})
        if names:
            yield Hit(fact.at, f"FOR {fact.mode} locks rows of {', '.join(names)} against the running servers")

    yield from _late_views(context)


def _late_views(context: Context) -> Iterator[Hit]:
    """Report a view over core that takes the name of a table whose rows an own function locks."""
    for made in context.all(Creates):
        locker = context.world.body_locks.get(made.name.last)
        if made.kind == "view" and locker and over_others(context):
            message = f"function {locker} locks rows of {made.name}: this view would lead it to tables of others"
            yield Hit(made.at, message)


def _leads_to_others(context: Context, name: Name) -> bool:
    return not context.ownership.owns(name) or context.world.reaches_others(name.last)


RULE = Rule(
    id="M031",
    title="SELECT as a statement",
    what=(
        "SELECT (but `SELECT setval('p_<plugin>__…')`), VALUES and TABLE as statements, SELECT … INTO, FOR "
        "UPDATE or FOR SHARE on core tables, also through an own view."
    ),
    why=(
        "A SELECT in a migration is there for its side effect: a function that it calls, a table that INTO "
        "makes, rows that it locks against the running servers."
    ),
    instead=(
        "Write CREATE TABLE p_<plugin>__… AS SELECT, or INSERT INTO own table SELECT, without locking the "
        "rows that are read."
    ),
    bad="SELECT * INTO tenant_copy FROM tenant;",
    good="CREATE TABLE p_audit__tenant AS SELECT id FROM tenant;",
    check=check,
)
