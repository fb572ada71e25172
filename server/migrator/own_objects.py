"""Checks of a plugin's own objects that may harm the server: triggers, functions, timeouts and row locks.

The comparison of the catalogs sees changes of objects that are not the plugin's. A trigger on an own table that stops
the server's DELETE, or a view through which a statement locks the server's rows, is the plugin's own and is found here.
All of it is read from the database inside the migration's transaction. Triggers and functions are judged by the linter,
where it is installed: by then the build has judged their text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from core.migration import table_prefix
from core.named_queries import named_queries
from server.database.connecting import Connection
from server.database.rows import NAMED, SCALAR
from server.migrator import linter
from server.migrator.proof import ProvedStatement

_SQL = named_queries(__package__, "own_objects.sql")


class OwnObjects(NamedTuple):
    """Faults of triggers inside the server's cascades, and the plugin's routines with their definitions."""

    triggers: frozenset[str]
    routines: Mapping[str, str]


async def snapshot(connection: Connection, plugin: str) -> OwnObjects:
    """Return the plugin's own objects; ``faults`` compares two snapshots of one transaction.

    Without the linter there is nothing to judge them by, and the snapshot is empty.
    """
    if not linter.is_installed():
        return OwnObjects(frozenset(), {})
    own = _own(plugin)
    triggers = await _rows(connection, "cascade_triggers", own)
    routines = {row.signature: row.definition for row in await _rows(connection, "routines", own)}
    return OwnObjects(frozenset(fault for row in triggers if (fault := stops(row))), routines)


def faults(plugin: str, before: OwnObjects, after: OwnObjects) -> Sequence[str]:
    """Return the faults of objects that a migration made between two snapshots."""
    found = sorted(after.triggers - before.triggers)
    for signature, definition in sorted(after.routines.items()):
        if before.routines.get(signature) != definition:
            found += linter.routine_faults(plugin, definition)
    return found


def stops(row: Any) -> str | None:
    """Return the fault of a trigger inside a cascade, or None."""
    reason = None
    if row.language == "plpgsql":
        reason = linter.why_it_stops(row.body, row.event, row.timing, each_row=row.each_row)
    elif row.timing == "before" and row.event == "delete":
        reason = "its function is not in PL/pgSQL"
    if reason is None and row.conditional and row.timing == "before" and row.event == "delete":
        reason = "its WHEN can fail"
    return f"trigger {row.name} on {row.table} may stop the server's {row.event.upper()} ({reason})" if reason else None


async def too_long_waits(connection: Connection, limits: Mapping[str, int]) -> Sequence[str]:
    """Describe the timeouts that exceed ``limits``, in milliseconds by name; 0 waits for ever."""
    return [
        f"{row.name} is {row.milliseconds or 'off'}; at most {limits[row.name]} ms are allowed"
        for row in await _rows(connection, "limits")
        if row.name in limits and not 0 < row.milliseconds <= limits[row.name]
    ]


async def locked_by(connection: Connection, plugin: str, statement: ProvedStatement) -> Sequence[str]:
    """Return the tables of others in which a statement would lock rows, by its plan.

    A plan does not show the tables of FOR UPDATE OF. When all names after OF are aliases of own tables of the plugin,
    the statement only reads the others.
    """
    if statement.row_locks is None:
        return ()
    explain = b"EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) " + statement.text.encode()
    [explained] = await (await connection.cursor(row_factory=SCALAR).execute(explain, binary=True)).fetchall()
    prefix = table_prefix(plugin)
    scans = [scan for lock in _nodes(explained[0]["Plan"], "LockRows") for scan in _scans(lock)]
    own = {alias for schema, name, alias in scans if schema == "public" and name.startswith(prefix)}
    named = set(statement.row_locks)
    if named and named <= own:
        return ()
    return sorted({name for schema, name, _ in scans if schema != "public" or not name.startswith(prefix)})


async def locked_tables(connection: Connection, plugin: str) -> Sequence[str]:
    """Return the tables of others in which this transaction holds row locks that no foreign key explains."""
    return [row.relname for row in await _rows(connection, "locked_tables", _own(plugin))]


async def _rows(connection: Connection, query: str, parameters: Mapping[str, str] | None = None) -> list[Any]:
    return await (await connection.cursor(row_factory=NAMED).execute(_SQL[query], parameters)).fetchall()


def _own(plugin: str) -> Mapping[str, str]:
    return {"own": f"^{table_prefix(plugin)}[a-z0-9_]+$"}


def _nodes(plan: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    if plan["Node Type"] == kind:
        yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child, kind)


def _scans(plan: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield schema, relation and alias of each scan below a node of a plan."""
    if "Relation Name" in plan:
        yield plan.get("Schema", ""), plan["Relation Name"], plan.get("Alias", "")
    for child in plan.get("Plans", ()):
        yield from _scans(child)
