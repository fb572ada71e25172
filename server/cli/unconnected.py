"""A server that is made and never runs: what it would be can be asked and checked without a database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from server.boot.preparation import Prepared
from server.boot.startup import Boot, authentication, engine, partly, plugins
from server.database.exclusive import Locks
from server.database.pool import closed_pool
from server.observability.metrics import MetricsRegistry
from server.storage.tenants import TenantRepository


def described(prepared: Prepared) -> AbstractAsyncContextManager[Boot]:
    """Make what declares routes and services."""
    return partly(prepared, (_no_database, engine, plugins), MetricsRegistry(counts=False))


def checked(prepared: Prepared) -> AbstractAsyncContextManager[Boot]:
    """Make that, and what checks callers, as a start does.

    Raises:
        StartupError: a plugin cannot work with its settings, or clashes with another.
    """
    return partly(prepared, (_no_database, engine, plugins, authentication), MetricsRegistry(counts=False))


@asynccontextmanager
async def _no_database(boot: Boot) -> AsyncIterator[None]:
    """Stand in for the step ``server.boot.startup.database``: nothing connects."""
    dsn = boot.settings.database_url.get_secret_value()
    boot.pool = closed_pool(dsn, boot.settings.database)
    boot.tenants = TenantRepository(boot.pool)
    boot.locks = Locks(dsn)
    try:
        yield
    finally:
        await boot.locks.close()
