"""The connection pool of a worker process; it maps errors of the driver to errors of the server."""

from __future__ import annotations

import asyncio
import select
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from core.batching import note_commit
from core.errors import StartupError
from core.unit_of_work import UnitOfWork, current
from server.config.settings import DatabasePool
from server.database.arrays import ArrayDumper
from server.database.connecting import Connection, connect, connect_patiently, cut, parameters, startup_error
from server.database.effects import Effect, taken
from server.database.poolers import Route, Sessions, check_options, options_refused, route_of
from server.database.primaries import Primary, open_connection
from server.database.refusals import as_server_error, concerns_connection, takes_no_writes
from server.database.writability import Writability
from server.observability.database_meter import DatabaseMeter

RECONNECT_WITHIN_S = 1.0
"""The time for which the pool itself tries to replace a lost connection; after it, each call tries again.

The pauses between the pool's own attempts grow without a bound: after a long outage, it would reconnect late.
"""

ANSWER_GRACE_S = 5.0
"""A connection is cut this time after ``statement_timeout`` without an answer: the database itself is stuck."""

YOUNG_S = 1.0
"""A younger connection is kept after an error of the server, which bounds how often the pool connects."""


class Metered(psycopg.AsyncCursor[Any]):
    """A cursor whose statements are counted; the driver calls ``_set_results`` when a result has come."""

    _statement: object = None
    _sent_at = 0.0

    def execute(self, query: Any, *arguments: Any, **more: Any) -> Any:
        """Note the statement and send it."""
        self._statement, self._sent_at = query, time.perf_counter()
        return super().execute(query, *arguments, **more)

    def _set_results(self, results: Any) -> None:
        super()._set_results(results)
        connection: Any = self._conn
        connection.meter.statement(self._statement, time.perf_counter() - self._sent_at)


class Pooled(psycopg.AsyncConnection[tuple[Any, ...]]):
    """A connection of the pool; it is cut when the database leaves a statement unanswered.

    Attributes:
        unreplicated: whether a commit was answered before its synchronous standby had it, which a failover would lose.
    """

    meter: DatabaseMeter | None = None
    """Counts the statements; None counts none."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.effects: list[Effect] = []
        self._opened_at = time.monotonic()
        self._answer_within = 0.0
        self._cancel_after: float | None = None
        self._waits_since: float | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._cancelling: asyncio.Task[None] | None = None
        self._primary: Primary | None = None
        self._timeline = 0
        self.unreplicated = False
        self.add_notice_handler(self._note)

    @classmethod
    async def connect(cls, conninfo: str = "", **arguments: Any) -> Self:
        """Open a connection to the primary among the hosts of an address, or to its only host."""
        connection, primary = await open_connection(super().connect, conninfo, **arguments)
        if primary is not None:
            connection.lead_to(primary)
        return connection

    def lead_to(self, primary: Primary) -> None:
        """Note the primary that it leads to, as it is now."""
        self._primary, self._timeline = primary, primary.timeline

    @property
    def is_left_behind(self) -> bool:
        """Whether a standby has been promoted since, as another connection has found."""
        return self._primary is not None and self._timeline < self._primary.timeline

    def _note(self, notice: psycopg.errors.Diagnostic) -> None:
        """Note that a commit was answered though its standby has not confirmed it: its wait was cancelled."""
        if notice.source_function == "SyncRepWaitForLSN":
            self.unreplicated = True

    @property
    def is_young(self) -> bool:
        """Whether the connection is younger than ``YOUNG_S``."""
        return time.monotonic() - self._opened_at < YOUNG_S

    def give_up_after(self, seconds: float) -> None:
        """Cut the connection when a statement has no answer after ``seconds``; by default, it waits for ever."""
        self._answer_within = seconds

    def cancel_after(self, seconds: float) -> None:
        """Cancel a statement that has no answer after ``seconds``, for sessions that have no ``statement_timeout``."""
        self._cancel_after = seconds

    async def wait(self, *arguments: Any, **more: Any) -> Any:
        """Wait for the database; the driver calls this for every wait on an open connection.

        One timer watches many waits: a timer for each wait would cost as much as the wait itself.
        """
        self._waits_since = time.monotonic()
        if self._watch is None and self._answer_within:
            self._watch_for(self._cancel_after or self._answer_within)
        try:
            return await super().wait(*arguments, **more)
        finally:
            self._waits_since = None

    def _watch_for(self, seconds: float) -> None:
        self._watch = asyncio.get_running_loop().call_later(seconds, self._check_wait)

    def _check_wait(self) -> None:
        """Cancel or cut if the wait has exceeded a limit; check again when the next limit may be exceeded."""
        self._watch = None
        if self._waits_since is None:
            return
        waited = time.monotonic() - self._waits_since
        if waited >= self._answer_within:
            cut(self)
        elif self._cancel_after is not None and waited < self._cancel_after:
            self._watch_for(self._cancel_after - waited)
        else:
            if self._cancel_after is not None and self._cancelling is None:
                self._cancelling = asyncio.create_task(self._cancel(), name="cancel a statement")
            self._watch_for(self._answer_within - waited)

    async def _cancel(self) -> None:
        try:
            with suppress(psycopg.Error):  # the connection is cut then
                await self.cancel_safe(timeout=ANSWER_GRACE_S)
        finally:
            self._cancelling = None


class Pool:
    """Implements ``core.plugin_services.Database`` on a psycopg pool. Connections are in autocommit mode.

    Attributes:
        writes: the check whether the database takes writes.
    """

    def __init__(
        self, pool: AsyncConnectionPool[Pooled], writes: Writability, meter: DatabaseMeter | None = None
    ) -> None:
        self._pool = pool
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
        yield Pool(pool, writes, meter)
    finally:
        await writes.close()
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


def _closed(dsn: str, settings: DatabasePool, meter: DatabaseMeter | None, route: Route) -> AsyncConnectionPool[Pooled]:
    async def configure(connection: Pooled) -> None:
        connection.adapters.register_dumper(list, ArrayDumper)
        if meter is not None:
            connection.meter, connection.cursor_factory = meter, Metered
        connection.give_up_after(settings.statement_timeout + ANSWER_GRACE_S)
        if route.sessions is Sessions.LENT:
            connection.cancel_after(settings.statement_timeout)

    return AsyncConnectionPool(
        dsn,
        connection_class=Pooled,
        min_size=2,
        max_size=settings.pool_size,
        timeout=settings.connect_timeout,
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
