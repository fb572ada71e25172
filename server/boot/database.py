"""Step: the connection pool, the tenants of the configuration, and the locks of the deployment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from server.boot.preparation import configured_tenants
from server.config import Settings
from server.database.addresses import direct, pooled
from server.database.exclusive import AdvisoryLocks
from server.database.leadership import Leadership
from server.database.pool import Pool, closed_pool, open_pool
from server.observability.database_meter import DatabaseMeter
from server.storage.tenants import TenantRepository

LONGEST_WAIT_S = 20.0
"""A worker process waits no longer for its database: gunicorn gives it 30 s for its whole start, then replaces it."""


@dataclass(frozen=True, slots=True)
class DatabaseParts:
    """The database as the other steps use it.

    Attributes:
        pool: the connection pool of the process.
        tenants: look-up of tenants.
        locks: advisory locks, held on one connection of their own.
        leadership: whether this process leads the deployment.
    """

    pool: Pool
    tenants: TenantRepository
    locks: AdvisoryLocks
    leadership: Leadership


@asynccontextmanager
async def open_database(settings: Settings, meter: DatabaseMeter | None = None) -> AsyncIterator[DatabaseParts]:
    """Open the connection pool, and insert the configured tenants before any step needs them."""
    wait = min(settings.database.startup_wait, LONGEST_WAIT_S)
    async with open_pool(pooled(settings), settings.database, wait, meter) as pool:
        database = _database(pool, settings)
        try:
            await database.tenants.upsert(configured_tenants(settings))
            yield database
        finally:
            await database.locks.close()


@asynccontextmanager
async def no_database(settings: Settings) -> AsyncIterator[DatabaseParts]:
    """Return a database that never connects, for commands that describe a server without running it."""
    database = _database(closed_pool(pooled(settings), settings.database), settings)
    try:
        yield database
    finally:
        await database.locks.close()


def _database(pool: Pool, settings: Settings) -> DatabaseParts:
    locks = AdvisoryLocks(direct(settings))
    return DatabaseParts(pool, TenantRepository(pool), locks, Leadership(locks))
