"""M031: a migration changes things; it does not look at them."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import Locks
from migrations.lint.rules.rule import Context, Hit, Rule


def check(context: Context) -> Iterator[Hit]:
    """Report row locks on foreign tables; the readers report SELECTs by their form."""
    for fact in context.anywhere(Locks):
        names = sorted({str(name) for name in fact.names if not context.ownership.owns(name)})
        if names:
            yield Hit(fact.at, f"FOR {fact.mode} locks rows of {', '.join(names)} against the running servers")


RULE = Rule(
    id="M031",
    title="SELECT as a statement",
    what=(
        "SELECT (but `SELECT setval('p_<plugin>__…')`), VALUES and TABLE as statements, SELECT … INTO, FOR "
        "UPDATE or FOR SHARE on core tables."
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
