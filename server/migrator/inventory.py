"""Whose is what in the database: the core's, a plugin's, a plugin's that this edition lacks, or unknown."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from core.errors import MigrationError
from core.migration import CORE, sql_name
from core.named_queries import named_queries
from server.database.connecting import Connection

TRACKING_TABLE = "_plugin_migrations"

_SQL = named_queries(__package__, "inventory.sql")
_PLUGIN_OBJECT = re.compile(r"p_([a-z0-9]+(?:_[a-z0-9]+)*?)__")

# the usual order: objects that others are made of come last
_DROPPED = ("materialized view", "view", "table", "sequence", "function", "domain", "type")


@dataclass(frozen=True, slots=True)
class OwnedObject:
    """An object and whose it is: ``core``, ``plugin``, ``orphan`` or ``unknown``; with the plugin's name, if any."""

    kind: str
    name: str
    owner: str
    plugin: str | None
    belongs_to: str | None


async def objects(connection: Connection, plugins: Collection[str], core_names: Collection[str]) -> list[OwnedObject]:
    """Return every object of the shared schema; ``core_names`` are the names that the core's migrations make."""
    rows = await (await connection.execute(_SQL["objects"])).fetchall()
    return [_owned(kind, name, belongs_to, plugins, core_names) for kind, name, belongs_to in rows]


async def count_rows(connection: Connection, table: str) -> int:
    """Return how many rows a table has."""
    row = await (await connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))).fetchone()
    return int(row[0]) if row else 0


async def purge(connection: Connection, plugin: str, found: Sequence[OwnedObject]) -> None:
    """Drop a plugin's objects and forget its migrations, all or nothing; nothing else goes with them.

    Raises:
        MigrationError: something that is not the plugin's depends on them.
    """
    left = {kind: [each.name for each in found if each.kind == kind and each.belongs_to is None] for kind in _DROPPED}
    try:
        async with connection.transaction():
            while any(left.values()):
                left = await _drop_round(connection, left)
            await connection.execute(_SQL["forget_plugin"], {"plugin": plugin})
    except psycopg.errors.DependentObjectsStillExist as error:
        reason = " ".join(f"{error.diag.message_primary} ({error.diag.message_detail})".split())
        raise MigrationError(f"{plugin}: nothing was dropped, because something else depends on it: {reason}") from None


async def _drop_round(connection: Connection, left: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Drop the objects on which no other depends any more, and return the rest.

    A function may return rows of a table whose trigger runs another function, so no order of kinds fits all plugins.

    Raises:
        DependentObjectsStillExist: none could be dropped.
    """
    rest: dict[str, list[str]] = {}
    failure: psycopg.Error | None = None
    for kind, names in left.items():
        rest[kind] = []
        for some in [names] if len(names) <= 1 else [names, *([name] for name in names)]:
            try:
                if some:
                    async with connection.transaction():
                        await connection.execute(_drop(kind, some))
            except psycopg.errors.DependentObjectsStillExist as error:
                failure = error
                rest[kind] += some if len(some) == 1 else []
            else:
                if some == names:
                    break
    if failure is not None and rest == left:
        raise failure
    return rest


def _drop(kind: str, names: Sequence[str]) -> sql.Composed:
    """Return one DROP of all names of a kind: together, so that they may refer to one another."""
    quoted = [_function(name) if kind == "function" else sql.Identifier(name) for name in names]
    word = "ROUTINE" if kind == "function" else kind.upper()
    return sql.SQL("DROP {} {}").format(sql.SQL(word), sql.SQL(", ").join(quoted))


def _function(signature: str) -> sql.Composable:
    """Return a function's signature, which PostgreSQL itself has quoted where that is needed."""
    return sql.SQL(signature)


def _owned(kind: str, name: str, belongs_to: str, plugins: Collection[str], core_names: Collection[str]) -> OwnedObject:
    decisive = belongs_to or name
    match = _PLUGIN_OBJECT.match(decisive)
    if match is None:
        owner = CORE if decisive in core_names or decisive == TRACKING_TABLE else "unknown"
        return OwnedObject(kind, name, owner, None, belongs_to or None)
    known = {sql_name(plugin): plugin for plugin in plugins}
    plugin = known.get(match[1])
    return OwnedObject(
        kind, name, "plugin" if plugin else "orphan", plugin or match[1].replace("_", "-"), belongs_to or None
    )
