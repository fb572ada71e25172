"""Migrates the database to the schema of the edition: the core first, then the plugins by name.

One transaction per migration, one server at a time. No migration runs before all pending ones have a proof
(``server.migrator.proof``): the build has checked the text with that digest.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.resources import files

import psycopg
from psycopg.rows import class_row

from core.errors import MigrationError
from core.migration import CORE, PluginMigration
from core.named_queries import named_queries
from core.plugin import Plugin
from server.database.connecting import Connection
from server.database.refusals import as_server_error
from server.database.rows import SCALAR
from server.migrator import plugin_role
from server.migrator.execution import Executor
from server.migrator.history import Applied, Owner, Pending, Plan, compare
from server.migrator.proof import MigrationPart, Proof, Proofs, Routines, proof_of

OLDEST_POSTGRESQL = 150000
WAIT_FOR_OTHER_S = 120
ASK_AGAIN_S = 0.05

OpenConnection = Callable[[], Awaitable[Connection]]

_SQL = named_queries(__package__, "migrations.sql")
_log = logging.getLogger(__name__)


def owners(plugins: Sequence[Plugin]) -> list[Owner]:
    """Return the core and the plugins with their migrations, in the order in which they run."""
    by_name = sorted(plugins, key=lambda plugin: plugin.name)
    core = Owner(CORE, PluginMigration.from_folder(files("migrations")))
    return [core, *(Owner(plugin.name, plugin.migrations()) for plugin in by_name)]


class Migrator:
    """Plans, applies and takes back migrations; opens the connections that it needs, and closes them.

    ``proofs`` are those of the edition, and ``applied_by`` is its name for the tracking table.
    """

    def __init__(self, connect: OpenConnection, proofs: Proofs, applied_by: str) -> None:
        self._connect = connect
        self._proofs = proofs
        self._applied_by = applied_by

    async def plan(self, wanted: Sequence[Owner]) -> Plan:
        """Return the pending migrations; nothing is changed.

        Raises:
            MigrationError: the history contradicts the edition, or PostgreSQL is too old.
        """
        async with self._session() as connection:
            return await _plan(connection, wanted)

    async def apply(self, wanted: Sequence[Owner]) -> Sequence[Pending]:
        """Run the pending migrations and return them.

        Raises:
            MigrationError: a migration failed; the migrations before it stay applied.
        """
        plan = await self.plan(wanted)
        for row in plan.ahead:
            _log.warning(
                "the database is ahead of this edition: %s has version %04d; starting all the same",
                row.owner,
                row.version,
            )
        if not plan.pending:
            return ()
        async with self.alone(), self._session() as connection:
            await connection.execute(_SQL["create_tracking"])
            pending = (await _plan(connection, wanted)).pending  # again: another server may have done it meanwhile
            await self._run_all(connection, [self.proof(each, wanted).up for each in pending], wanted)
            return pending

    def proof(self, pending: Pending, wanted: Sequence[Owner]) -> Proof:
        """Return the proof of a migration.

        Raises:
            MigrationError: neither the build nor the linter has accepted it.
        """
        return proof_of(pending, wanted, self._proofs)

    async def applied(self) -> Sequence[Applied]:
        """Return the applied migrations of all owners."""
        async with self._session() as connection:
            return await _applied(connection)

    async def rollback(self, owner: Owner, version: int) -> Sequence[Pending]:
        """Roll back the migrations of an owner above ``version``, newest first, and return them.

        Raises:
            MigrationError: a migration cannot be rolled back; the newer ones are rolled back already.
        """
        async with self.alone(), self._session() as connection:
            newer = (await _plan(connection, [owner])).ahead  # also refuses an edited history
            if newer:
                raise MigrationError(
                    f"{owner.name}: the database has version {newer[-1].version:04}, which this edition does not know;"
                    " roll it back with the edition that has it. Nothing was changed"
                )
            applied = {row.version for row in await _applied(connection) if row.owner == owner.name}
            undone = [each for each in reversed(owner.migrations) if each.version in applied and each.version > version]
            parts = [self._down_part(Pending(owner.name, each), owner) for each in undone]
            accepted = partial(self._accepted, [owner])
            executor = Executor(connection, accepted, separate_role=await plugin_role.prepare(connection))
            for part in parts:
                await executor.run(part, partial(_forget, connection, part.pending))
                _log.info("rolled back migration %s", part.pending)
            return [part.pending for part in parts]

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Connection]:
        """Lend a connection; errors of PostgreSQL on it become errors of the server, in one line."""
        async with await self._connect() as connection:
            try:
                yield connection
            except psycopg.Error as error:
                raise as_server_error(error) from None

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Hold the lock of migrations on a connection of its own: a session that is reset would release the lock."""
        async with self._session() as connection:
            ends = time.monotonic() + WAIT_FOR_OTHER_S
            while not (await (await connection.cursor(row_factory=SCALAR).execute(_SQL["lock"])).fetchall())[0]:
                if time.monotonic() > ends:
                    raise MigrationError(
                        f"another server has been migrating this database for {WAIT_FOR_OTHER_S} s; see its log,"
                        " try again"
                    )
                await asyncio.sleep(ASK_AGAIN_S)
            yield

    def _down_part(self, pending: Pending, owner: Owner) -> MigrationPart:
        down = self.proof(pending, [owner]).down
        if down is None:
            raise MigrationError(
                f"{pending}: it has no '-- down' section, so it cannot be taken back; nothing was changed"
            )
        return down

    def _accepted(self, wanted: Sequence[Owner], name: str) -> Routines:
        """Return the routines of all migrations of an owner, as a trigger may run what an earlier one has made."""
        owner = next(each for each in wanted if each.name == name)
        proofs = [self.proof(Pending(name, migration), wanted) for migration in owner.migrations]
        return {body: harmless for each in proofs for body, harmless in each.routines.items()}

    async def _run_all(self, connection: Connection, parts: Sequence[MigrationPart], wanted: Sequence[Owner]) -> None:
        """Run migrations in order; the role of the plugins is prepared when the core's are done."""
        accepted = partial(self._accepted, wanted)
        executor = Executor(connection, accepted, separate_role=False)
        prepared = False
        for part in parts:
            each = part.pending
            if each.owner != CORE and not prepared:
                executor = Executor(connection, accepted, separate_role=await plugin_role.prepare(connection))
                prepared = True
            started = time.monotonic()
            await executor.run(part, partial(self._record, connection, each))
            _log.info("applied migration %s", each, extra={"duration_ms": round((time.monotonic() - started) * 1000)})

    async def _record(self, connection: Connection, pending: Pending, duration_ms: int) -> None:
        migration = pending.migration
        await connection.execute(
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


async def _plan(connection: Connection, wanted: Sequence[Owner]) -> Plan:
    version = await _scalar(connection, "server_version")
    if version < OLDEST_POSTGRESQL:
        raise MigrationError(
            f"this PostgreSQL is version {version // 10000}; {OLDEST_POSTGRESQL // 10000} or newer is needed"
        )
    return compare(wanted, await _applied(connection))


async def _applied(connection: Connection) -> list[Applied]:
    if not await _scalar(connection, "tracking_exists"):
        return []
    return await (await connection.cursor(row_factory=class_row(Applied)).execute(_SQL["applied"])).fetchall()


async def _forget(connection: Connection, pending: Pending, _duration_ms: int) -> None:
    key = {"plugin": pending.owner, "version": pending.migration.version}
    await connection.execute(_SQL["forget"], key)


async def _scalar(connection: Connection, query: str) -> int:
    return int(await (await connection.cursor(row_factory=SCALAR).execute(_SQL[query])).fetchone() or 0)
