"""Warnings: what is allowed, and may cost the server or the plugin something."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from migrations.lint.facts import Changes, Columns, Creates, Drops, DropsPart, ForeignKey
from migrations.lint.functions import VOLATILE
from migrations.lint.rules.rule import Context, Hit
from migrations.lint.world import World

_ALWAYS_REWRITES = ("serial", "identity", "stored expression")
_TYPE = re.compile(
    r"(?P<base>\w+(?: varying| precision)?)(?: \( (?P<size>[0-9]+)(?: , (?P<scale>[0-9]+))? \))?(?P<tail>(?: [^() ]+)*)"
)
_SAME_TYPES = {
    "character varying": "varchar", "char varying": "varchar", "integer": "int", "int4": "int", "int8": "bigint",
    "decimal": "numeric", "dec": "numeric", "bit varying": "varbit",
}  # fmt: skip
_GROW = ("varchar", "varbit", "numeric", "time", "timestamp", "timetz", "timestamptz")
_KEPT = {("varchar", "text"), ("text", "varchar"), ("cidr", "inet")}
"""Changes of type, from and to, for which PostgreSQL keeps the rows as they are."""


def on_delete(world: World) -> Iterator[Hit]:
    """Yield new keys to the server's tables with which the server cannot delete the row that they point at."""
    for key in world.new_keys():
        needed = [column for column in key.cleared if (key.table.last, column) in world.required]
        if key.on_delete not in ("cascade", "set null"):
            fault = "without ON DELETE CASCADE or SET NULL"
        elif key.on_delete == "set null" and needed:
            fault = f"{needed[0]} is NOT NULL, so with ON DELETE SET NULL"
        else:
            continue
        yield Hit(key.at, f"{fault} the server cannot delete a {key.target} that this references")


def key_index(world: World) -> Iterator[Hit]:
    """Yield new keys to the server's tables that no index serves; one of a later file may."""
    for key in world.new_keys():
        if key.columns and not world.serves(key):
            yield Hit(key.at, f"{key.table} ({', '.join(key.columns)}) references {key.target} and has no index", key)


def view_over_core(world: World) -> Iterator[Hit]:
    """Yield new views and parsed function bodies that read columns of the server's tables."""
    for name, (at, kind, tables) in world.pinned.items():
        yield Hit(at, f"{kind} {name} over {', '.join(tables)} blocks changes of the columns that it reads")


def core_locks(context: Context) -> Iterator[Hit]:
    """Yield the locks on the server's tables that last for as long as an older table's rows take.

    A table that the same migration makes is empty: to add its keys takes a moment, and so does to drop it.
    """
    made = {fact.name.last for fact in context.all(Creates)} | context.world.new_tables
    for at, own, table, mode in locks(context):
        if own not in made:
            yield Hit(at, f"takes {mode} on {table} until the migration commits")


def locks(context: Context) -> Iterator[tuple[int, str, str, str]]:
    """Yield (place, own table, table of the server, lock mode) of a statement, those of new tables too."""
    known = context.world.cascades.keys
    for key in context.all(ForeignKey):
        if context.ownership.owner(key.target) == "server":
            yield key.at, key.table.last, key.target.last, "SHARE ROW EXCLUSIVE"
    for drop in context.all(Drops):
        if drop.verb == "DROP" and drop.kind == "table":
            yield from _held(context, drop.at, (key for key in known if key.table.last == drop.name.last))
    for part in context.all(DropsPart):
        yield from _held(context, part.at, (key for key in known if key.goes_with(part)))


def _held(context: Context, at: int, keys: Iterable[ForeignKey]) -> Iterator[tuple[int, str, str, str]]:
    """Yield the locks that it takes to drop these keys."""
    tables = {(key.table.last, key.target.last) for key in keys if context.ownership.owner(key.target) == "server"}
    for own, target in sorted(tables):
        yield at, own, target, "ACCESS EXCLUSIVE"


def unlogged(world: World) -> Iterator[Hit]:
    """Yield tables and sequences that are unlogged from this file on."""
    for name, at in world.unlogged.items():
        if at >= 0:
            yield Hit(at, f"{name} loses its rows when the database stops hard")


def rewrite(context: Context) -> Iterator[Hit]:
    """Yield changes for which PostgreSQL writes every row of an older table anew."""
    if not any(context.all(Changes)):
        return
    for fact in context.all(Columns):
        if fact.table.last not in context.world.new_tables and _rewrites(context.world, fact):
            what = f"column {fact.column}" if fact.column else fact.change.upper()
            yield Hit(fact.at, f"{fact.table}, {what}: every row is written anew under ACCESS EXCLUSIVE")


def _rewrites(world: World, fact: Columns) -> bool:
    table, change = fact.table.last, fact.change
    if change == "default":
        return any(name in VOLATILE or name in world.volatile for name in fact.calls)
    if change in ("logged", "unlogged"):
        return (change == "logged") == (table in world.unlogged)
    if change == "added":
        return fact.type in world.constrained
    if change.startswith("type "):
        old = (world.columns.get(table) or {}).get(fact.column, "")
        return fact.converts or not _keeps_rows(old, fact.type)
    return change in _ALWAYS_REWRITES


def _keeps_rows(old: str, new: str) -> bool:
    """Whether PostgreSQL keeps the rows as they are when a column of one type gets the other."""
    if old == new:
        return True
    before, after = _TYPE.fullmatch(old), _TYPE.fullmatch(new)
    if before is None or after is None or before["tail"] != after["tail"]:
        return False
    bases = (_SAME_TYPES.get(before["base"], before["base"]), _SAME_TYPES.get(after["base"], after["base"]))
    if bases in _KEPT:
        return after["size"] is None
    if bases[0] != bases[1] or (bases[0] not in _GROW and before["size"] != after["size"]):
        return False
    if after["size"] is None or before["size"] == after["size"]:
        return before["scale"] == after["scale"] or after["size"] is None
    grows = before["size"] is not None and int(before["size"]) <= int(after["size"])
    return grows and before["scale"] == after["scale"]
