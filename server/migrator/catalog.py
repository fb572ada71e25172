"""What a migration changed that is not its plugin's: the catalogs before and after, compared.

It needs no parser and so sees what any reader of SQL may miss. It runs inside the migration's
transaction, which is rolled back when the answer is not empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.migration import table_prefix
from core.named_queries import named_queries
from server.database.connecting import Connection

_SQL = named_queries(__package__, "catalog.sql")

Key = tuple[str, str, str]
"""Kind, schema, name."""

_ONLY_NEW = frozenset({"tie", "trigger of a cascade"})

Snapshot = Mapping[Key, str]
"""The definition of every object that is not the plugin's, and how many rows of such tables were written."""


async def snapshot(connection: Connection, plugin: str) -> Snapshot:
    """Return all objects but those of ``plugin``; compare two that were taken inside one transaction."""
    own = {"own": f"^{table_prefix(plugin)}[a-z0-9_]+$"}
    rows = [row for query in _SQL.values() for row in await (await connection.execute(query, own)).fetchall()]
    return {(kind, schema, name): definition for kind, schema, name, definition in rows}


def differences(before: Snapshot, after: Snapshot) -> Sequence[str]:
    """Say in words what appeared, went or changed between two snapshots."""
    words = []
    for key in sorted(before.keys() | after.keys()):
        kind, _, name = key
        if kind in _ONLY_NEW and (key in before or key not in after):
            continue  # what an earlier migration tied may be renamed in part, and is welcome to go
        if kind == "rows of" and before.get(key) != after.get(key):
            words.append(f"rows of {name} were changed")
        elif kind in _ONLY_NEW:
            words.append(f"{name}, which is not the plugin's" if kind == "tie" else name)
        elif key not in before:
            words.append(f"{kind} {name} was made")
        elif key not in after:
            words.append(f"{kind} {name} is gone")
        elif before[key] != after[key]:
            words.append(f"{kind} {name} was changed")
    return words
