"""Runs one migration in one transaction: the checked statements, one at a time, and nothing else.

A plugin's migration runs on a session that was reset, as a role of its own where that is possible, and is rolled
back when the catalogs show that something changed that is not the plugin's.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import psycopg

from core.errors import MigrationError
from core.migration import CORE
from core.named_queries import named_queries
from server.database import catalog, plugin_role
from server.database.history import Pending
from server.database.pool import Connection

LOCK_TIMEOUT_S = 5
STATEMENT_TIMEOUT_S = 600
ATTEMPTS = 12
PAUSE_S = 1.0
"""A migration that does not get its locks in time is tried again, so that calls may pass in between."""

_SQL = named_queries(__package__, "migrations.sql")
_log = logging.getLogger(__name__)

Record = Callable[[int], Awaitable[None]]
"""Writes the tracking table, inside the transaction; gets the milliseconds that the migration took."""


@dataclass(frozen=True, slots=True)
class Part:
    """What to run: the up or the down part of a migration, and where it stands in its file."""

    pending: Pending
    sql: str
    first_line: int = 1


class Executor:
    """Runs parts of migrations over one connection."""

    def __init__(self, connection: Connection, *, separate_role: bool) -> None:
        """Take the connection, which nobody else uses, and whether plugins' migrations run as their own role."""
        self._connection = connection
        self._separate_role = separate_role

    async def run(self, part: Part, record: Record) -> None:
        """Run a part and record it; all of it, or nothing.

        Raises:
            MigrationError: PostgreSQL refused a statement, or something that is not the plugin's changed.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._attempt(part, record)
            except psycopg.errors.LockNotAvailable:
                if attempt == ATTEMPTS:
                    raise MigrationError(
                        f"{part.pending}: a table was in use for too long ({ATTEMPTS} times {LOCK_TIMEOUT_S} s);"
                        " nothing was changed, try again at a quieter time"
                    ) from None
                _log.warning("migration %s did not get its locks; trying again in %g s", part.pending, PAUSE_S)
                await asyncio.sleep(PAUSE_S)
            else:
                return

    async def _attempt(self, part: Part, record: Record) -> None:
        started = time.monotonic()
        owner = part.pending.owner
        connection = self._connection
        if owner != CORE:
            await connection.execute("DISCARD ALL")
        async with connection.transaction():
            before = None if owner == CORE else await catalog.snapshot(connection, owner)
            await self._statements(part)
            if before is not None:
                changed = catalog.differences(before, await catalog.snapshot(connection, owner))
                if changed:
                    raise MigrationError(
                        f"{part.pending}: it changed what is not the plugin's and was rolled back: {'; '.join(changed)}"
                    )
            await record(round((time.monotonic() - started) * 1000))

    async def _statements(self, part: Part) -> None:
        from migrations.lint import split  # imports sqlglot: only when something is pending

        connection = self._connection
        separate = self._separate_role and part.pending.owner != CORE
        limits = {"lock_timeout": f"{LOCK_TIMEOUT_S}s", "statement_timeout": f"{STATEMENT_TIMEOUT_S}s"}
        await connection.execute(_SQL["set_limits"], limits)
        if separate:
            await connection.execute(plugin_role.SQL["become"])
        for statement in split(part.sql):
            try:
                # binary asks for the extended protocol, in which PostgreSQL takes one statement and no more
                await connection.execute(statement.text.encode(), binary=True)
            except psycopg.errors.LockNotAvailable:
                raise
            except psycopg.Error as error:
                line = part.first_line - 1 + statement.line
                reason = " ".join(str(error).split())
                raise MigrationError(
                    f"{part.pending}:{line}: PostgreSQL refused it, and the migration was rolled back: {reason}"
                ) from None
        if separate:
            await connection.execute(plugin_role.SQL["return"])
