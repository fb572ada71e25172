"""Step: the connection pool, the tenants of the configuration, and the locks of the deployment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from core.plugin_services import Database
from server.boot.preparation import configured_tenants
from server.config import Settings
from server.database.addresses import direct, pooled, standby
from server.database.exclusive import AdvisoryLocks
from server.database.leadership import Leadership
from server.database.pool import Pool, closed_pool, open_pool, standby_pool
from server.database.standby import StandbyReads
from server.observability.database_meter import DatabaseMeter
from server.storage.tenants import TenantRepository

LONGEST_WAIT_S = 20.0
"""A worker process waits no longer for its database: gunicorn gives it 30 s for its whole start, then replaces it."""


@dataclass(frozen=True, slots=True)
class DatabaseParts:
    """The database as the other steps use it.

    Attributes:
        pool: the connection pool of the process.
        lists: reads for lists and histories, which may come from a standby.
        tenants: look-up of tenants.
        locks: advisory locks, held on one connection of their own.
        leadership: whether this process leads the deployment.
    """

    pool: Pool
    lists: Database
    tenants: TenantRepository
    locks: AdvisoryLocks
    leadership: Leadership


@asynccontextmanager
async def open_database(settings: Settings, meter: DatabaseMeter | None = None) -> AsyncIterator[DatabaseParts]:
    """Open the connection pool, and insert the configured tenants before any step needs them."""
    wait = min(settings.database.startup_wait, LONGEST_WAIT_S)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(pooled(settings), settings.database, wait, meter))
        database = _database(pool, settings, await stack.enter_async_context(_lists(pool, settings)))
        try:
            await database.tenants.upsert(configured_tenants(settings))
            yield database
        finally:
            await database.locks.close()


@asynccontextmanager
async def no_database(settings: Settings) -> AsyncIterator[DatabaseParts]:
    """Return a database that never connects, for commands that describe a server without running it."""
    pool = closed_pool(pooled(settings), settings.database)
    database = _database(pool, settings, pool)
    try:
        yield database
    finally:
        await database.locks.close()


@asynccontextmanager
async def _lists(pool: Pool, settings: Settings) -> AsyncIterator[Database]:
    address = standby(settings)
    if address is None:
        yield pool
        return
    async with standby_pool(address, settings.database, pool) as other:
        reads = StandbyReads(pool, other, settings.database.read_max_age)
        try:
            yield reads
        finally:
            await reads.close()


def _database(pool: Pool, settings: Settings, lists: Database) -> DatabaseParts:
    locks = AdvisoryLocks(direct(settings))
    return DatabaseParts(pool, lists, TenantRepository(pool), locks, Leadership(locks))
