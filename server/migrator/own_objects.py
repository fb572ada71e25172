"""Checks of a plugin's own objects that may harm the server: triggers, functions, timeouts and row locks.

The comparison of the catalogs sees changes of objects that are not the plugin's. A trigger on an own table that stops
the server's DELETE, or a view through which a statement locks the server's rows, is the plugin's own and is found here.
All of it is read from the database inside the migration's transaction. The bodies of triggers and functions are known
by their digests: the build's linter has judged the text of each, and the edition carries the result as proof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from core.migration import table_prefix
from core.named_queries import named_queries
from server.database.connecting import Connection
from server.database.rows import NAMED, SCALAR
from server.migrator.proof import ProvedStatement, Routines

_SQL = named_queries(__package__, "own_objects.sql")


class OwnObjects(NamedTuple):
    """The plugin's triggers inside the server's cascades, and its routines, as rows of the catalog."""

    triggers: frozenset[Any]
    routines: frozenset[Any]


async def snapshot(connection: Connection, plugin: str) -> OwnObjects:
    """Return the plugin's own objects; ``faults`` compares two snapshots of one transaction."""
    own = _own(plugin)
    triggers, routines = await _rows(connection, "cascade_triggers", own), await _rows(connection, "routines", own)
    return OwnObjects(frozenset(triggers), frozenset(routines))


def faults(accepted: Callable[[], Routines], before: OwnObjects, after: OwnObjects) -> Sequence[str]:
    """Return the faults of objects that a migration made or changed between two snapshots.

    ``accepted`` returns the routines of all the plugin's migrations. It is only called when there are new objects.
    """
    triggers, routines = after.triggers - before.triggers, after.routines - before.routines
    if not triggers and not routines:
        return ()
    known = accepted()
    found = [stops(row, known) for row in triggers] + [_unaccepted(row, known) for row in routines]
    return sorted(fault for fault in found if fault is not None)


def _unaccepted(row: Any, known: Routines) -> str | None:
    """Return the fault of a routine, or None."""
    if row.has_other_rights:
        return f"{row.signature} runs with other rights or settings than its caller's"
    if row.body and _digest(row.body) not in known:  # a parsed body has no text; the catalog has what it depends on
        return f"the body of {row.signature} was not accepted when the edition was built"
    return None


def stops(row: Any, known: Routines) -> str | None:
    """Return the fault of a trigger inside a cascade, or None."""
    reason = None
    if row.language == "plpgsql":
        harmless = known.get(_digest(row.body))
        if harmless is None:
            reason = "the body of its function was not accepted when the edition was built"
        elif (row.timing, row.event, row.each_row) not in harmless:
            reason = "its function can raise, or skip the row"
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


def _digest(body: str) -> str:
    return sha256(body.encode()).hexdigest()


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
