"""W2: every delete of a tenant searches this table."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.rules.rule import Hit, Rule
from migrations.lint.world import World


def at_end(world: World) -> Iterator[Hit]:
    """Report keys of this file that no index serves; the index may come later in the file than the key."""
    for key in world.foreign_keys[world.earlier_keys :]:
        core = world.ownership.owner(key.target) == "server"
        if core and world.ownership.owns(key.table) and key.columns and not world.has_index(key):
            columns = ", ".join(key.columns)
            yield Hit(key.at, f"{key.table} ({columns}) references {key.target} and has no index")


RULE = Rule(
    id="W2",
    title="Foreign key to core without an index",
    what=(
        "A column that references a core table and that no index, primary key or unique constraint of the "
        "same migrations begins with."
    ),
    why="Each delete in the core table scans the whole plugin table, while it holds its locks.",
    instead="Create an index that begins with the column.",
    bad="CREATE TABLE p_audit__a (tenant_id uuid REFERENCES tenant (id) ON DELETE CASCADE);",
    good="CREATE INDEX p_audit__a_tenant ON p_audit__a (tenant_id);",
    at_end=at_end,
)
