"""Brings the database to the schema of the edition: core first, then plugins by name.

One transaction per migration, one server at a time. A migration whose digest the edition carries
was checked when the edition was built; any other is checked here, before anything runs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files

import psycopg

from core.errors import MigrationError
from core.migration import CORE, PluginMigration
from core.named_queries import named_queries
from core.plugin import Plugin
from server.database.history import Applied, Owner, Pending, Plan, compare
from server.database.pool import Connection

OLDEST_POSTGRESQL = 150000
LOCK_TIMEOUT_S = 5
STATEMENT_TIMEOUT_S = 600
WAIT_FOR_OTHER_S = 120

_SQL = named_queries(__package__, "migrations.sql")
_log = logging.getLogger(__name__)


def owners(plugins: Sequence[Plugin]) -> list[Owner]:
    """Return the core and the plugins with their migrations, in the order in which they run."""
    by_name = sorted(plugins, key=lambda plugin: plugin.name)
    core = Owner(CORE, PluginMigration.from_folder(files("migrations")))
    return [core, *(Owner(plugin.name, plugin.migrations()) for plugin in by_name)]


class Migrator:
    """Plans and applies migrations over one connection, which its caller opens and closes."""

    def __init__(self, connection: Connection, checked: Mapping[tuple[str, str], str], applied_by: str) -> None:
        """Take the connection, the digests that the edition carries, and the edition's name for the record."""
        self._connection = connection
        self._checked = checked
        self._applied_by = applied_by

    async def plan(self, wanted: Sequence[Owner]) -> Plan:
        """Return what is pending, changing nothing.

        Raises:
            MigrationError: history and edition contradict each other, or PostgreSQL is too old.
        """
        version = await self._scalar("server_version")
        if version < OLDEST_POSTGRESQL:
            raise MigrationError(
                f"this PostgreSQL is version {version // 10000}; {OLDEST_POSTGRESQL // 10000} or newer is needed"
            )
        if not await self._scalar("tracking_exists"):
            return compare(wanted, [])
        rows = await (await self._connection.execute(_SQL["applied"])).fetchall()
        return compare(wanted, [Applied(*row) for row in rows])

    async def apply(self, wanted: Sequence[Owner]) -> Sequence[Pending]:
        """Run what is pending and return it.

        Raises:
            MigrationError: names the migration; what ran before it stays applied, it itself does not.
        """
        if not (await self._warned_plan(wanted)).pending:
            return ()
        async with self._alone():
            await self._connection.execute(_SQL["create_tracking"])
            plan = await self.plan(wanted)  # again: another server may have done it meanwhile
            for pending in plan.pending:
                self._check(pending, wanted)
            for pending in plan.pending:
                await self._run(pending)
            return plan.pending

    async def _warned_plan(self, wanted: Sequence[Owner]) -> Plan:
        plan = await self.plan(wanted)
        for row in plan.ahead:
            _log.warning(
                "the database is ahead of this edition: %s has version %04d; serving on", row.owner, row.version
            )
        return plan

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        try:
            await self._connection.execute(f"SET lock_timeout = '{WAIT_FOR_OTHER_S}s'")
            await self._connection.execute(_SQL["lock"])
        except psycopg.errors.LockNotAvailable:
            raise MigrationError(
                f"another server has been migrating this database for {WAIT_FOR_OTHER_S} s; see its log and try again"
            ) from None
        try:
            yield
        finally:
            if not self._connection.broken:
                await self._connection.execute(_SQL["unlock"])

    def _check(self, pending: Pending, wanted: Sequence[Owner]) -> None:
        """Refuse a plugin's migration that neither the build nor the linter accepts."""
        migration = pending.migration
        if pending.owner == CORE or self._checked.get((pending.owner, migration.file)) == migration.checksum:
            return
        from migrations.lint import lint

        owner = next(each for each in wanted if each.name == pending.owner)
        earlier = [each.sql for each in owner.migrations if each.version < migration.version]
        findings = [each for each in lint(pending.owner, migration.sql, earlier) if each.severity == "error"]
        if findings:
            lines = [
                f"{migration.file}:{each.line}:{each.column}: {each.rule} {each.message}; {each.hint}"
                for each in findings
            ]
            raise MigrationError(
                f"{pending.owner}: a migration breaks the rules; nothing was run\n  " + "\n  ".join(lines)
            )

    async def _run(self, pending: Pending) -> None:
        started = time.monotonic()
        try:
            async with self._connection.transaction():
                await self._connection.execute(
                    _SQL["set_limits"],
                    {"lock_timeout": f"{LOCK_TIMEOUT_S}s", "statement_timeout": f"{STATEMENT_TIMEOUT_S}s"},
                )
                await self._connection.execute(pending.migration.sql.encode())
                await self._record(pending, round((time.monotonic() - started) * 1000))
        except psycopg.Error as error:
            reason = " ".join(str(error).split())
            raise MigrationError(f"{pending}: PostgreSQL refused it, and it was rolled back: {reason}") from None
        _log.info("applied migration %s", pending, extra={"duration_ms": round((time.monotonic() - started) * 1000)})

    async def _record(self, pending: Pending, duration_ms: int) -> None:
        migration = pending.migration
        await self._connection.execute(
            _SQL["record"],
            {
                "plugin": pending.owner,
                "version": migration.version,
                "description": migration.description,
                "checksum": migration.checksum,
                "duration_ms": duration_ms,
                "applied_by": self._applied_by,
            },
        )

    async def _scalar(self, query: str) -> int:
        row = await (await self._connection.execute(_SQL[query])).fetchone()
        return int(row[0]) if row else 0
