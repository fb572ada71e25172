"""Finds changes of a migration outside of its plugin, by two snapshots of the system catalogs.

The comparison parses no SQL, and so finds changes that a parser may miss. It runs inside of the transaction of the
migration, which is rolled back when there are such changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.migration import table_prefix
from core.named_queries import named_queries
from server.database.connecting import Connection
from server.database.rows import NAMED

_SQL = named_queries(__package__, "catalog.sql")

Key = tuple[str, str, str]
"""Kind, schema, name."""

_ONLY_NEW = frozenset({"tie", "trigger of a cascade"})

Snapshot = Mapping[Key, str]
"""The definition of each object that the plugin does not own, and the number of rows written in such tables."""


async def snapshot(connection: Connection, plugin: str) -> Snapshot:
    """Return all objects except those of ``plugin``. Only snapshots of one transaction can be compared."""
    own = {"own": f"^{table_prefix(plugin)}[a-z0-9_]+$"}
    found: dict[Key, str] = {}
    for query in _SQL.values():
        rows = await (await connection.cursor(row_factory=NAMED).execute(query, own)).fetchall()
        found |= {(row.kind, row.schema, row.name): row.definition for row in rows}
    return found


def differences(before: Snapshot, after: Snapshot) -> Sequence[str]:
    """Describe the objects that were created, dropped or changed between two snapshots, one text for each."""
    words = []
    for key in sorted(before.keys() | after.keys()):
        kind, _, name = key
        if kind in _ONLY_NEW and (key in before or key not in after):
            continue  # ties of earlier migrations may be renamed or dropped
        if kind == "rows of" and before.get(key) != after.get(key):
            words.append(f"rows of {name} were changed")
        elif kind in _ONLY_NEW:
            words.append(f"{name}, which is not the plugin's" if kind == "tie" else name)
        elif key not in before:
            words.append(f"{kind} {name} was created")
        elif key not in after:
            words.append(f"{kind} {name} was dropped")
        elif before[key] != after[key]:
            words.append(f"{kind} {name} was changed")
    return words
