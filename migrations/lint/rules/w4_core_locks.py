"""W4: a foreign key locks both its ends."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import Drops, DropsPart, ForeignKey
from migrations.lint.names import Name
from migrations.lint.rules.rule import Context, Hit, Rule


def check(context: Context) -> Iterator[Hit]:
    """Report the locks that a statement takes on core tables."""
    for at, table, mode in locks(context):
        yield Hit(at, f"takes {mode} on {table} until the migration commits")


def locks(context: Context) -> Iterator[tuple[int, str, str]]:
    """Yield (place, core table, lock mode) of a statement."""
    for key in context.all(ForeignKey):
        if context.ownership.owner(key.target) == "server":
            yield key.at, key.target.last, "SHARE ROW EXCLUSIVE"
    for drop in context.all(Drops):
        if drop.verb == "DROP" and drop.kind == "table":
            yield from _held(context, drop.at, drop.name)
    for part in context.all(DropsPart):
        yield from _held(context, part.at, part.table)


def _held(context: Context, at: int, table: Name) -> Iterator[tuple[int, str, str]]:
    world = context.world
    keys = (key for key in world.foreign_keys if key.table.last == table.last)
    for target in sorted({key.target.last for key in keys if context.ownership.owner(key.target) == "server"}):
        yield at, target, "ACCESS EXCLUSIVE"


RULE = Rule(
    id="W4",
    title="Lock on a core table",
    what=("CREATE TABLE … REFERENCES, ADD FOREIGN KEY and DROP TABLE between an own table and a core table."),
    why=(
        "Adding the key takes SHARE ROW EXCLUSIVE on the core table, dropping it ACCESS EXCLUSIVE: the "
        "running servers wait until the migration commits."
    ),
    instead=("Keep such a migration short and apart from backfills; the server sets lock_timeout and tries again."),
    bad="DROP TABLE p_audit__with_a_key_to_tenant;",
    good=("-- in a migration of its own:\nDROP TABLE p_audit__with_a_key_to_tenant;"),
    check=check,
)
