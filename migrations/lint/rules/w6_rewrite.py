"""W6: a rewrite locks the table for as long as it is large."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import Changes, Columns
from migrations.lint.rules.rule import Context, Hit, Rule

_REWRITES = ("serial", "volatile default", "identity", "stored expression", "logged", "unlogged")


def check(context: Context) -> Iterator[Hit]:
    """Report changes that write every row of an older table."""
    if not any(context.all(Changes)):
        return
    for fact in context.all(Columns):
        rewrites = fact.change in _REWRITES or fact.change.startswith("type ")
        if rewrites and fact.table.last not in context.world.new_tables:
            what = f"column {fact.column}" if fact.column else fact.change.upper()
            yield Hit(fact.at, f"{fact.table}, {what}: every row is written anew under ACCESS EXCLUSIVE")


RULE = Rule(
    id="W6",
    title="Rewrite of all rows",
    what=(
        "ALTER COLUMN TYPE, a new column with a volatile default, an identity or a stored expression, SET "
        "LOGGED and SET UNLOGGED, on a table that an earlier migration made."
    ),
    why=("PostgreSQL writes the whole table anew under ACCESS EXCLUSIVE: nobody reads or writes it meanwhile."),
    instead="Add the column without a default, fill it with UPDATE in steps, then set the default.",
    bad="ALTER TABLE p_audit__old ADD COLUMN key uuid DEFAULT gen_random_uuid();",
    good="ALTER TABLE p_audit__old ADD COLUMN key uuid;",
    check=check,
)
