"""Runs a migration outside of a transaction: one statement that builds, drops or validates without blocking.

Such a statement cannot be rolled back, so it is resumable: the next attempt finds the remains of a killed one, drops an
invalid index and builds it again. Afterwards, the catalogs are compared with those before.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from core.errors import MigrationError
from core.migration import CORE
from core.named_queries import named_queries
from server.database.connecting import Connection
from server.database.rows import NAMED
from server.migrator import catalog, plugin_role
from server.migrator.proof import MigrationPart, ProvedStatement

if TYPE_CHECKING:
    from server.migrator.execution import Record

BUILD_TIMEOUT_S = 6 * 3600
LOCK_TIMEOUT_S = 600
"""A concurrent build waits for older transactions, and blocks no other statement while it waits."""

_SQL = named_queries(__package__, "concurrently.sql")
_log = logging.getLogger(__name__)


async def run_outside(connection: Connection, part: MigrationPart, record: Record, *, separate_role: bool) -> None:
    """Run the one statement of a part and record it.

    Raises:
        MigrationError: PostgreSQL refused the statement, or an object outside of the plugin was changed. The next
            attempt removes the remains of this one.
    """
    (statement,) = part.statements
    owner = part.pending.owner
    started = time.monotonic()
    await connection.execute("DISCARD ALL")
    before = await _objects(connection, owner) if owner != CORE else {}
    try:
        limits = {"lock_timeout": f"{LOCK_TIMEOUT_S}s", "statement_timeout": f"{BUILD_TIMEOUT_S}s"}
        await connection.execute(_SQL["set_session_limits"], limits)
        if separate_role and owner != CORE:
            await connection.execute(plugin_role.SQL["become_for_session"])
        await _build(connection, part, statement)
    finally:
        if not connection.closed:
            await connection.execute("DISCARD ALL")
    changed = catalog.differences(before, await _objects(connection, owner)) if owner != CORE else ()
    if changed:
        raise MigrationError(
            f"{part.pending}: it changed objects that the plugin does not own; it runs outside a transaction, so the"
            " changes stay:"
            f" {'; '.join(changed)}"
        )
    async with connection.transaction():
        await record(round((time.monotonic() - started) * 1000))


async def _objects(connection: Connection, owner: str) -> catalog.Snapshot:
    """Return the objects of others, without the numbers of written rows: these count within a transaction only."""
    return {key: text for key, text in (await catalog.snapshot(connection, owner)).items() if key[0] != "rows of"}


async def _build(connection: Connection, part: MigrationPart, statement: ProvedStatement) -> None:
    """Clear up behind a killed attempt, run the statement unless that attempt had done it, and look at the result."""
    made, dropped, rebuilt = statement.creates, statement.drops, statement.rebuilds
    for name, valid in await _indexes(connection, made or rebuilt or ""):
        if not valid and name != rebuilt:
            _log.warning("migration %s: dropping the invalid index %s of an earlier attempt", part.pending, name)
            await connection.execute(sql.SQL("DROP INDEX CONCURRENTLY {}").format(sql.Identifier(name)))
        elif name == made:
            return
    if dropped is not None and not await _indexes(connection, dropped):
        return
    try:
        await connection.execute(statement.text.encode(), binary=True)
    except psycopg.errors.LockNotAvailable:
        raise
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise MigrationError(
            f"{part.pending}:{statement.line}: PostgreSQL refused it: {reason}; mend the rows and"
            " start again, an unfinished index is then built anew"
        ) from None
    if made is not None and (made, True) not in await _indexes(connection, made):
        raise MigrationError(f"{part.pending}: index {made} is not valid; start again: it is then built again")


async def _indexes(connection: Connection, name: str) -> list[tuple[str, bool]]:
    """Return the index ``name`` and those that REINDEX CONCURRENTLY creates for it, and whether each is valid."""
    cursor = connection.cursor(row_factory=NAMED)
    return [
        (row.name, row.is_valid) for row in await (await cursor.execute(_SQL["indexes"], {"name": name})).fetchall()
    ]
