"""W4: a foreign key locks both its ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from migrations.lint.facts import Creates, Drops, DropsPart, ForeignKey
from migrations.lint.rules.rule import Context, Hit, Rule


def check(context: Context) -> Iterator[Hit]:
    """Report the locks on core tables that last for as long as an older table's rows take.

    A table that the same migration makes is empty: its keys are added in a moment, and dropping it takes one.
    """
    made = {fact.name.last for fact in context.all(Creates)} | context.world.new_tables
    for at, own, table, mode in _locks(context):
        if own not in made:
            yield Hit(at, f"takes {mode} on {table} until the migration commits")


def locks(context: Context) -> Iterator[tuple[int, str, str]]:
    """Yield (place, core table, lock mode) of a statement, those of new tables too."""
    for at, _, table, mode in _locks(context):
        yield at, table, mode


def _locks(context: Context) -> Iterator[tuple[int, str, str, str]]:
    for key in context.all(ForeignKey):
        if context.ownership.owner(key.target) == "server":
            yield key.at, key.table.last, key.target.last, "SHARE ROW EXCLUSIVE"
    for drop in context.all(Drops):
        if drop.verb == "DROP" and drop.kind == "table":
            keys = [key for key in context.world.foreign_keys if key.table.last == drop.name.last]
            yield from _held(context, drop.at, keys)
    for part in context.all(DropsPart):
        keys = [key for key in context.world.foreign_keys if key.table.last == part.table.last]
        gone = [key for key in keys if part.name == key.constraint or part.name in key.columns]
        yield from _held(context, part.at, gone)


def _held(context: Context, at: int, keys: Iterable[ForeignKey]) -> Iterator[tuple[int, str, str, str]]:
    """Yield the locks that dropping these keys takes."""
    tables = {(key.table.last, key.target.last) for key in keys if context.ownership.owner(key.target) == "server"}
    for own, target in sorted(tables):
        yield at, own, target, "ACCESS EXCLUSIVE"


RULE = Rule(
    id="W4",
    title="Lock on a core table",
    what=(
        "ADD FOREIGN KEY, DROP TABLE, and DROP CONSTRAINT or DROP COLUMN of a key, between a core table and an own "
        "table that an earlier migration made; once in a file."
    ),
    why=(
        "Adding the key takes SHARE ROW EXCLUSIVE on the core table, dropping it ACCESS EXCLUSIVE: the "
        "running servers wait until the migration commits."
    ),
    instead=(
        "Keep such a migration short and apart from backfills, and say so in it: `-- accepted W4: the table is small`."
    ),
    bad="DROP TABLE p_audit__with_a_key_to_tenant;",
    good=("-- in a migration of its own:\nDROP TABLE p_audit__with_a_key_to_tenant;"),
    check=check,
    once=True,
)
