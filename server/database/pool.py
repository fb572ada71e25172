"""The connection pool of a worker process; it maps errors of the driver to errors of the server."""

from __future__ import annotations

import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from core.batching import note_commit
from core.errors import StartupError
from core.unit_of_work import UnitOfWork, current
from server.config.settings import DatabasePool
from server.database.arrays import ArrayDumper
from server.database.connecting import Connection, connect, connect_patiently, parameters, startup_error
from server.database.effects import taken
from server.database.pooled_connection import ANSWER_GRACE_S, Metered, Pooled, PooledStandby
from server.database.poolers import Route, Sessions, check_options, options_refused, route_of
from server.database.refusals import as_server_error, concerns_connection, takes_no_writes
from server.database.writability import Writability
from server.observability.database_meter import DatabaseMeter

RECONNECT_WITHIN_S = 1.0
"""The time for which the pool itself tries to replace a lost connection; after it, each call tries again.

The pauses between the pool's own attempts grow without a bound: after a long outage, it would reconnect late.
"""

STANDBY_WITHIN_S = 1.0
"""A call waits no longer for a connection to a standby; the primary serves it then."""


class Pool:
    """Implements ``core.plugin_services.Database`` on a psycopg pool. Connections are in autocommit mode.

    Attributes:
        writes: the check whether the database takes writes.
        sessions: those behind its connections.
    """

    def __init__(
        self,
        pool: AsyncConnectionPool[Pooled],
        writes: Writability,
        meter: DatabaseMeter | None = None,
        sessions: Sessions = Sessions.OWN,
    ) -> None:
        self._pool = pool
        self.sessions = sessions
        self.writes = writes
        self._meter = meter

    def sample(self) -> None:
        """Set the metrics of the pool."""
        if self._meter is not None:
            self._meter.pool(self._pool.get_stats())

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection; see ``core.plugin_services.Database``. Inside of a unit of work, it is that of the unit.

        There, a savepoint replaces the transaction: a caller may go on after a failed statement.
        """
        async with self._acquired() as connection:
            yield connection
            _check_replicated(connection)
            effects = taken(connection)
        if current() is None:
            note_commit()
        for effect in effects:
            effect()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction. BEGIN and COMMIT travel with the statements (pipeline mode)."""
        if current() is not None:
            async with self._acquired() as connection:
                yield connection
            return
        async with self._acquired() as connection:
            async with connection.pipeline(), connection.transaction():
                yield connection
            _check_replicated(connection)
            note_commit()
            effects = taken(connection)
        for effect in effects:
            effect()

    @asynccontextmanager
    async def _acquired(self) -> AsyncIterator[Connection]:
        unit = current()
        try:
            if unit is not None:
                connection = unit.connection
                assert isinstance(connection, psycopg.AsyncConnection)  # ``unit_of_work`` made the unit
                async with self._closing_if_broken(connection), connection.transaction():
                    yield connection
                return
            async with self._pool.connection() as connection, self._closing_if_broken(connection):
                taken(connection)  # those of a transaction that was rolled back
                yield connection
        except psycopg.Error as error:
            raise as_server_error(error) from None

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[Connection]:
        """Lend a connection inside of a transaction, which all other statements of the task join until the end."""
        try:
            async with self._pool.connection() as connection, self._closing_if_broken(connection):
                unit = UnitOfWork(connection)
                async with connection.transaction():
                    with unit.entered():
                        yield connection
                _check_replicated(connection)
        except psycopg.Error as error:
            raise as_server_error(error) from None
        unit.committed()

    @asynccontextmanager
    async def _closing_if_broken(self, connection: Connection) -> AsyncIterator[None]:
        """Close the connection after an error of the PostgreSQL server behind it: the pool then opens another one."""
        try:
            yield
        except psycopg.Error as error:
            if takes_no_writes(error):
                self.writes.doubt()
            if concerns_connection(error) and not (isinstance(connection, Pooled) and connection.is_young):
                await connection.close()
            raise


def _check_replicated(connection: Connection) -> None:
    """Refuse to acknowledge a commit that its synchronous standby does not have.

    Raises:
        psycopg.OperationalError: as for a connection that broke during the commit, whose outcome is unknown, too.
    """
    if isinstance(connection, Pooled) and connection.unreplicated:
        connection.unreplicated = False
        raise psycopg.OperationalError("the synchronous standby has not confirmed a commit in time")


@asynccontextmanager
async def open_pool(
    dsn: str, settings: DatabasePool, wait: float = 0, meter: DatabaseMeter | None = None
) -> AsyncIterator[Pool]:
    """Open the pool, and close it at the end; ``wait`` as for ``connect_patiently``, in seconds.

    Raises:
        StartupError: the database cannot be reached, or a pooler is in the way that is not declared.
    """
    route = await look(dsn, settings, wait)
    pool = _closed(dsn, settings, meter, route)
    try:
        await pool.open(wait=True, timeout=settings.connect_timeout)
    except PoolTimeout:
        await pool.close()
        raise StartupError(f"the database did not answer within {settings.connect_timeout:g} s") from None
    writes = Writability(dsn, pool.drain, route.sessions)
    try:
        yield Pool(pool, writes, meter, route.sessions)
    finally:
        await writes.close()
        await pool.close()


@asynccontextmanager
async def standby_pool(dsn: str, settings: DatabasePool, primary: Pool) -> AsyncIterator[Pool]:
    """Open a pool for reads from a standby, through a pooler if the primary's pool goes through one.

    It connects when it is used: a server starts without its standby.
    """
    pool = _closed(dsn, settings, None, Route(primary.sessions, prepares=False), PooledStandby)
    await pool.open(wait=False)
    try:
        yield Pool(pool, primary.writes)
    finally:
        await pool.close()


def closed_pool(dsn: str, settings: DatabasePool) -> Pool:
    """Return a pool that never connects, for commands that only describe the server."""
    pool = _closed(dsn, settings, None, Route())
    return Pool(pool, Writability(dsn, pool.drain, Sessions.OWN))


async def look(dsn: str, settings: DatabasePool, wait: float = 0) -> Route:
    """Return how a pool reaches PostgreSQL; see ``open_pool``."""
    async with await connect_patiently(dsn, settings.connect_timeout, wait) as connection:
        route = await route_of(lambda: connect(dsn, settings.connect_timeout), connection, settings)
    await _rehearse(dsn, settings, route)
    return route


async def _rehearse(dsn: str, settings: DatabasePool, route: Route) -> None:
    """Open a connection as the pool does, which says no reason when it cannot.

    Raises:
        StartupError: a pooler refuses the connection, or does not pass its options on.
    """
    if route.sessions is Sessions.OWN:
        return
    try:
        connection = await Pooled.connect(dsn, **_arguments(dsn, settings, route))
    except psycopg.OperationalError as error:
        if "options" in str(error):
            raise options_refused() from None
        raise startup_error(error, dsn) from None
    async with connection:
        if route.sessions is Sessions.KEPT:
            await check_options(connection, _timeout_ms(settings))


def _timeout_ms(settings: DatabasePool) -> int:
    return int(settings.statement_timeout * 1000)


def _arguments(dsn: str, settings: DatabasePool, route: Route) -> dict[str, Any]:
    """Return the driver's arguments of a connection of the pool."""
    arguments = {
        "autocommit": True,
        "prepare_threshold": 1 if route.prepares else None,
        **parameters(dsn, settings.connect_timeout),
    }
    if route.sessions is not Sessions.LENT:
        # the server's statements rely on these; a role or a database may have other defaults
        arguments["options"] = (
            f"-c statement_timeout={_timeout_ms(settings)} -c timezone=UTC"
            r" -c default_transaction_isolation=read\ committed"
        )
    return arguments


def _closed(
    dsn: str,
    settings: DatabasePool,
    meter: DatabaseMeter | None,
    route: Route,
    connections: type[Pooled] = Pooled,
) -> AsyncConnectionPool[Pooled]:
    async def configure(connection: Pooled) -> None:
        connection.adapters.register_dumper(list, ArrayDumper)
        if meter is not None:
            connection.meter, connection.cursor_factory = meter, Metered
        connection.give_up_after(settings.statement_timeout + ANSWER_GRACE_S)
        if route.sessions is Sessions.LENT:
            connection.cancel_after(settings.statement_timeout)

    return AsyncConnectionPool(
        dsn,
        connection_class=connections,
        min_size=2 if connections is Pooled else 0,
        max_size=settings.pool_size,
        timeout=settings.connect_timeout if connections is Pooled else STANDBY_WITHIN_S,
        reconnect_timeout=RECONNECT_WITHIN_S,
        open=False,
        check=_check,
        configure=configure,
        kwargs=_arguments(dsn, settings, route),
    )


async def _check(connection: Pooled) -> None:
    """Raise the driver's error when a connection is lost, without a round trip to the database for those that are not.

    PostgreSQL says nothing on an idle connection but that it ends: only where there is something to read, it is asked.
    """
    if connection.is_left_behind:
        await connection.close()  # the pool would lend it again
        raise psycopg.OperationalError("the connection leads to an old primary")
    news = select.poll()
    news.register(connection.fileno(), select.POLLIN)
    if news.poll(0):
        await AsyncConnectionPool.check_connection(connection)
