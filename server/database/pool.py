"""The connection pool of a worker process, with the driver's failures turned into ours."""

from __future__ import annotations

import re
import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from core.batching import note_commit
from core.errors import AlreadyExists, Collision, FlovynError, NotFound, StartupError, Unavailable
from core.unit_of_work import UnitOfWork, current
from server.config.settings import DatabasePool

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

RECONNECT_WITHIN_S = 1.0
"""How long the pool tries by itself to replace a lost connection; after that, each call that needs one tries anew.

Its own attempts grow apart without a bound: after a long outage, it would notice the database's return late.
"""

_OF_TENANT = "_tenant_id_fkey"
"""How PostgreSQL ends the names of foreign keys of ``tenant_id`` alone."""

_HARMLESS = re.compile(r"[^:@#?]*:[0-9,]+/[^:@/#?]*")
"""Host, port and database as they can be: anything else may hold a part of a password."""


def worded(error: psycopg.Error) -> FlovynError:  # noqa: PLR0911 - one return per kind of error
    """Return the driver's error as ours. PostgreSQL's DETAIL, which quotes rows, is left out."""
    reason = error.diag.message_primary or type(error).__name__
    match error:
        case PoolTimeout():
            return Unavailable("the database has no free connection at the moment; try again")
        case psycopg.errors.QueryCanceled():
            return Unavailable("the database took too long for this call and was stopped; try again")
        case psycopg.errors.ReadOnlySqlTransaction():
            return Unavailable("the database takes no writes: it may be a standby; check DATABASE_URL")
        case psycopg.errors.DeadlockDetected() | psycopg.errors.SerializationFailure():
            return Collision("this call and another one got into each other's way; nothing was written, try again")
        case psycopg.errors.UndefinedTable() | psycopg.errors.UndefinedColumn():
            return StartupError(f"the database is not up to date ({reason}); run 'flovyn-server migrate'")
        case psycopg.errors.InsufficientPrivilege():
            return StartupError(f"the role in DATABASE_URL lacks a right: {reason}")
        case psycopg.errors.ForeignKeyViolation() if (error.diag.constraint_name or "").endswith(_OF_TENANT):
            return NotFound("the tenant does not exist on this server; create it first")
        case psycopg.errors.UniqueViolation():
            return AlreadyExists("something with this id was created by another call at the same moment; try again")
        case psycopg.OperationalError() | psycopg.InterfaceError():
            return Unavailable("the database cannot serve this call at the moment; try again")
    return FlovynError(f"PostgreSQL refused a statement ({error.sqlstate}): {reason}")


class Pool:
    """Implements ``core.plugin_services.Database`` on a psycopg pool. Connections are in autocommit mode."""

    def __init__(self, pool: AsyncConnectionPool[Connection]) -> None:
        self._pool = pool

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection; see ``core.plugin_services.Database``. Inside a unit of work it is the unit's.

        There, a savepoint takes the place of the transaction: a statement that fails must not spoil the unit for a
        caller that goes on without it.
        """
        async with self._lent() as connection:
            yield connection
        if current() is None:
            note_commit()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction. BEGIN and COMMIT travel with the statements (pipeline mode)."""
        if current() is not None:
            async with self._lent() as connection:
                yield connection
            return
        async with self._lent() as connection:
            async with connection.pipeline(), connection.transaction():
                yield connection
            note_commit()

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[Connection]:
        unit = current()
        try:
            if unit is not None:
                async with unit.connection.transaction():
                    yield unit.connection
                return
            async with self._pool.connection() as connection:
                yield connection
        except psycopg.Error as error:
            raise worded(error) from None

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction that everything joins which the task does in the database."""
        try:
            async with self._pool.connection() as connection:
                unit = UnitOfWork(connection)
                async with connection.transaction():
                    with unit.entered():
                        yield connection
        except psycopg.Error as error:
            raise worded(error) from None
        unit.committed()


@asynccontextmanager
async def open_pool(dsn: str, settings: DatabasePool) -> AsyncIterator[Pool]:
    """Open the pool and close it at the end.

    Raises:
        StartupError: the database cannot be reached.
    """
    pool = _closed(dsn, settings)
    try:
        await pool.open(wait=True, timeout=settings.connect_timeout)
    except PoolTimeout:
        await pool.close()
        raise StartupError(f"the database did not answer within {settings.connect_timeout:g} s") from None
    try:
        yield Pool(pool)
    finally:
        await pool.close()


def closed_pool(dsn: str, settings: DatabasePool) -> Pool:
    """Return a pool that has no connection and makes none, for what only wants to be described."""
    return Pool(_closed(dsn, settings))


def _closed(dsn: str, settings: DatabasePool) -> AsyncConnectionPool[Connection]:
    timeout_ms = int(settings.statement_timeout * 1000)
    return AsyncConnectionPool(
        dsn,
        connection_class=psycopg.AsyncConnection[tuple[Any, ...]],
        min_size=2,
        max_size=settings.pool_size,
        timeout=settings.connect_timeout,
        reconnect_timeout=RECONNECT_WITHIN_S,
        open=False,
        check=_check,
        kwargs={
            "autocommit": True,
            "prepare_threshold": 1,
            "application_name": "flovyn-server",
            "options": f"-c statement_timeout={timeout_ms} -c timezone=UTC",
        },
    )


async def _check(connection: Connection) -> None:
    """Raise the driver's error when a connection is lost, without a round trip to the database for those that are not.

    PostgreSQL says nothing on an idle connection but that it ends: only where there is something to read, it is asked.
    """
    news = select.poll()
    news.register(connection.fileno(), select.POLLIN)
    if news.poll(0):
        await AsyncConnectionPool.check_connection(connection)


async def connect(dsn: str, timeout: float) -> Connection:  # noqa: ASYNC109 - the driver's own connect timeout
    """Open one connection outside any pool, in autocommit mode.

    Raises:
        StartupError: says where it tried to connect and why that failed, without the password.
    """
    try:
        return await psycopg.AsyncConnection.connect(
            dsn,
            autocommit=True,
            connect_timeout=max(2, round(timeout)),
            application_name="flovyn-server",
            prepare_threshold=None,  # migrations reset the session, and prepared statements with it
        )
    except psycopg.ProgrammingError:
        raise StartupError(
            "DATABASE_URL is not a valid address; write postgres://user:password@host:port/database"
        ) from None
    except psycopg.OperationalError as error:
        place = _place(dsn)
        if not _HARMLESS.fullmatch(place):
            raise StartupError(
                "the database cannot be reached, and DATABASE_URL looks cut in the wrong places:"
                " percent-encode special characters of the password (@ is %40, : is %3A, / is %2F, # is %23)"
            ) from None
        raise StartupError(f"the database at {place} cannot be reached: {' '.join(str(error).split())}") from None


def _place(dsn: str) -> str:
    info = psycopg.conninfo.conninfo_to_dict(dsn)
    host = info.get("host") or "localhost"
    return f"{host}:{info.get('port') or 5432}/{info.get('dbname') or info.get('user') or ''}"
