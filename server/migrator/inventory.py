"""Lists the objects of the database with their owners: the core, a plugin of the edition or another, or unknown."""

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
from server.database.rows import NAMED, SCALAR

TRACKING_TABLE = "_plugin_migrations"

_SQL = named_queries(__package__, "inventory.sql")
_PLUGIN_OBJECT = re.compile(r"p_([a-z0-9]+(?:_[a-z0-9]+)*?)__")

# the usual order: objects that others are built on come last
_DROPPED = ("materialized view", "view", "table", "sequence", "function", "domain", "type")


@dataclass(frozen=True, slots=True)
class OwnedObject:
    """An object of the database.

    Attributes:
        kind: the kind of the object, in lower case, such as ``table``.
        name: its name, for a function with the types of its arguments.
        owner: ``core``, ``plugin``, ``orphan`` (its plugin is not in the edition) or ``unknown``.
        plugin: the name of the plugin, if any.
        belongs_to: the table that the object belongs to, if any.
    """

    kind: str
    name: str
    owner: str
    plugin: str | None
    belongs_to: str | None


async def objects(connection: Connection, plugins: Collection[str], core_names: Collection[str]) -> list[OwnedObject]:
    """Return all objects of the shared schema; ``core_names`` are the names that the migrations of the core create."""
    rows = await (await connection.cursor(row_factory=NAMED).execute(_SQL["objects"])).fetchall()
    return [_owned(row.kind, row.name, row.belongs_to, plugins, core_names) for row in rows]


async def count_rows(connection: Connection, table: str) -> int:
    """Return the number of rows of a table."""
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
    [count] = await (await connection.cursor(row_factory=SCALAR).execute(query)).fetchall()
    return int(count)


async def purge(connection: Connection, plugin: str, found: Sequence[OwnedObject]) -> None:
    """Drop the objects of a plugin and delete its rows of the tracking table, in one transaction, without CASCADE.

    Raises:
        MigrationError: an object outside of the plugin depends on them.
    """
    left = {kind: [each.name for each in found if each.kind == kind and each.belongs_to is None] for kind in _DROPPED}
    try:
        async with connection.transaction():
            while any(left.values()):
                left = await _drop_round(connection, left)
            await connection.execute(_SQL["forget_plugin"], {"plugin": plugin})
    except psycopg.errors.DependentObjectsStillExist as error:
        reason = " ".join(f"{error.diag.message_primary} ({error.diag.message_detail})".split())
        raise MigrationError(f"{plugin}: nothing was dropped, because another object depends on it: {reason}") from None


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
    """Return one DROP of all names of a kind: objects of one statement may refer to one another."""
    quoted = [_function(name) if kind == "function" else sql.Identifier(name) for name in names]
    word = "ROUTINE" if kind == "function" else kind.upper()
    return sql.SQL("DROP {} {}").format(sql.SQL(word), sql.SQL(", ").join(quoted))


def _function(signature: str) -> sql.Composable:
    """Return the signature of a function, which PostgreSQL itself has quoted."""
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
