"""Runs a migration in one transaction: the checked statements, one at a time, and nothing else.

The migration of a plugin runs in a session that was reset, as a role of its own where that is possible. It is rolled
back when the catalogs show a change outside of the plugin.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import psycopg

from core.errors import MigrationError
from core.migration import CORE
from core.named_queries import named_queries
from server.database.connecting import Connection
from server.database.rows import SCALAR
from server.migrator import catalog, own_objects, plugin_role
from server.migrator.proof import MigrationPart, ProvedStatement, Routines

LOCK_TIMEOUT_S = 5
STATEMENT_TIMEOUT_S = 600
IDLE_TIMEOUT_S = 60
"""A migration of a plugin may only shorten these timeouts; ``migrations.lint`` has the same numbers."""

BATCHES_TIMEOUT_S = 6 * 3600
ATTEMPTS = 12
PAUSE_S = 1.0
"""A migration that does not get its locks in time is tried again after a pause, in which calls can run."""

_SQL = named_queries(__package__, "migrations.sql")
_log = logging.getLogger(__name__)

Record = Callable[[int], Awaitable[None]]
"""Writes the tracking table, inside of the transaction; its argument is the duration of the migration in ms."""


class Executor:
    """Runs parts of migrations over one connection, which has no other user.

    Args:
        connection: the connection.
        accepted: returns the accepted routines of a plugin's migrations by the plugin's name.
        separate_role: migrations of plugins run as the role of the plugins.
    """

    def __init__(self, connection: Connection, accepted: Callable[[str], Routines], *, separate_role: bool) -> None:
        self._connection = connection
        self._accepted = accepted
        self._separate_role = separate_role

    async def run(self, part: MigrationPart, record: Record) -> None:
        """Run a part and record it, in one transaction unless its file declares another mode.

        Raises:
            MigrationError: PostgreSQL refused a statement, or an object outside of the plugin was changed.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._attempt_as_declared(part, record)
            except psycopg.errors.LockNotAvailable:
                if attempt == ATTEMPTS:
                    raise MigrationError(
                        f"{part.pending}: a table was in use for too long ({ATTEMPTS} times {LOCK_TIMEOUT_S} s);"
                        " nothing was changed, try again when there is less load"
                    ) from None
                _log.warning("migration %s did not get its locks; trying again in %g s", part.pending, PAUSE_S)
                await asyncio.sleep(PAUSE_S)
            else:
                return

    async def _attempt_as_declared(self, part: MigrationPart, record: Record) -> None:
        if part.mode == "outside":
            from server.migrator.concurrently import run_outside

            await run_outside(self._connection, part, record, separate_role=self._separate_role)
        elif part.mode == "batches":
            await self._batches(part, record)
        else:
            await self._attempt(part, record)

    async def _batches(self, part: MigrationPart, record: Record) -> None:
        """Repeat a statement, each time in a transaction of its own, until it changes no row.

        Committed batches stay: after a kill, the next start continues behind them.
        """
        started, total = time.monotonic(), 0
        while changed := await self._attempt(part, record):
            total += changed
            _log.info("migration %s: %d rows changed so far", part.pending, total)
            if time.monotonic() - started > BATCHES_TIMEOUT_S:
                raise MigrationError(
                    f"{part.pending}: {total} rows were changed in {BATCHES_TIMEOUT_S} s, and more are left; the"
                    " changes stay, start again to continue"
                )

    async def _attempt(self, part: MigrationPart, record: Record) -> int:
        """Run a part in one transaction; return the number of changed rows. A batch is recorded if it changed none."""
        started = time.monotonic()
        owner = part.pending.owner
        connection = self._connection
        if owner != CORE:
            await connection.execute("DISCARD ALL")
        async with connection.transaction():
            changed = await (self._statements(part) if owner == CORE else self._guarded(part))
            if part.mode == "transaction" or not changed:
                await record(round((time.monotonic() - started) * 1000))
            return changed

    async def _guarded(self, part: MigrationPart) -> int:
        """Run a plugin's part, and refuse it when what it left behind reaches further than the plugin."""
        owner, connection = part.pending.owner, self._connection
        before = await catalog.snapshot(connection, owner)
        own = await own_objects.snapshot(connection, owner)
        rows = await self._statements(part)
        changed = catalog.differences(before, await catalog.snapshot(connection, owner))
        if changed:
            raise MigrationError(
                f"{part.pending}: it changed objects that the plugin does not own, and was rolled back:"
                f" {'; '.join(changed)}"
            )
        harm = list(
            own_objects.faults(partial(self._accepted, owner), own, await own_objects.snapshot(connection, owner))
        )
        if not self._separate_role:
            tables = await own_objects.locked_tables(connection, owner)
            harm += [f"it locked rows of {table}, which is not the plugin's" for table in tables]
        if harm:
            raise MigrationError(f"{part.pending}: it would harm the server and was rolled back: {'; '.join(harm)}")
        return rows

    async def _statements(self, part: MigrationPart) -> int:
        connection = self._connection
        separate = self._separate_role and part.pending.owner != CORE
        limits = _limits()
        await connection.execute(_SQL["set_limits"], {name: f"{limit}ms" for name, limit in limits.items()})
        limits |= await self._operators_limit()
        if separate:
            await connection.execute(plugin_role.SQL["become"])
        rows = 0
        for statement in part.statements:
            try:
                if part.pending.owner != CORE and not separate:
                    await self._refuse_row_locks(part, statement)
                # binary selects the extended protocol, in which PostgreSQL accepts a single statement
                rows = (await connection.execute(statement.text.encode(), binary=True)).rowcount
            except psycopg.errors.LockNotAvailable:
                raise
            except psycopg.Error as error:
                reason = " ".join(str(error).split())
                raise MigrationError(
                    f"{part.pending}:{statement.line}: PostgreSQL refused it, and the migration was rolled"
                    f" back: {reason}"
                ) from None
            if part.pending.owner != CORE:
                await self._refuse_long_waits(part, statement, limits)
        if separate:
            await connection.execute(plugin_role.SQL["return"])
        return max(rows, 0)

    async def _operators_limit(self) -> dict[str, int]:
        """Return the operator's own transaction_timeout (PostgreSQL 17 and newer), where it is set."""
        cursor = self._connection.cursor(row_factory=SCALAR)
        milliseconds = await (await cursor.execute(_SQL["transaction_timeout"])).fetchone()
        return {"transaction_timeout": int(milliseconds)} if milliseconds else {}

    async def _refuse_row_locks(self, part: MigrationPart, statement: ProvedStatement) -> None:
        """Refuse a statement that locks rows of others; a role of its own would lack the right to."""
        tables = await own_objects.locked_by(self._connection, part.pending.owner, statement)
        if tables:
            raise MigrationError(
                f"{part.pending}:{statement.line}: it would lock rows of {', '.join(tables)} against the"
                " running servers, and was rolled back"
            )

    async def _refuse_long_waits(
        self, part: MigrationPart, statement: ProvedStatement, limits: Mapping[str, int]
    ) -> None:
        """Refuse a statement that lets the next ones wait for longer than the server allows."""
        too_long = await own_objects.too_long_waits(self._connection, limits)
        if too_long:
            raise MigrationError(
                f"{part.pending}:{statement.line}: a migration may only shorten its waits, and was rolled back:"
                f" {'; '.join(too_long)}"
            )


def _limits() -> dict[str, int]:
    """Return the timeouts of the server in milliseconds, by the name of the setting."""
    return {
        "lock_timeout": round(LOCK_TIMEOUT_S * 1000),
        "statement_timeout": STATEMENT_TIMEOUT_S * 1000,
        "idle_in_transaction_session_timeout": IDLE_TIMEOUT_S * 1000,
    }
