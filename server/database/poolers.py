"""Poolers between the server and PostgreSQL, such as PgBouncer: finding them, and what each allows.

A pooler in transaction mode lends a PostgreSQL session for one transaction. Session state is lost between two
transactions, or belongs to another client: settings, prepared statements, advisory locks, LISTEN, temporary tables.
So the rule of the server: the pool uses DATABASE_URL and keeps no session state; all that needs a session of its own
(LISTEN, advisory locks, migrations) uses ``database.direct_url``, which is DATABASE_URL unless it is set.

A pooler makes up the process number that PostgreSQL tells each client, so that it differs from ``pg_backend_pid()``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

import psycopg

from core.errors import StartupError
from core.named_queries import named_queries
from server.config.settings import DatabasePool, PoolerMode
from server.database.connecting import Connection, answering
from server.database.refusals import as_server_error
from server.database.rows import NAMED, SCALAR

ANSWER_WITHIN_S = 10.0
"""The time for one look at an address."""

_SQL = named_queries(__package__, "poolers.sql")
_PID = _SQL["session"]

_IN_UTC = frozenset({"UTC", "Etc/UTC", "GMT", "Etc/GMT", "UCT", "Etc/UCT", "Zulu"})
_ISOLATION = "read committed"

_TURNS = (0, 0, 1, 0, 1, 1)
"""The order in which two connections ask for their session. A pooler in transaction mode lends either the session that
it used last, which then both get, or the next one, which then changes when a connection asks twice."""


class PoolerError(StartupError):
    """A pooler is in the way.

    Attributes:
        advice: the settings that help.
    """

    def __init__(self, fact: str, advice: str) -> None:
        super().__init__(f"{fact}: {advice}")
        self.fact = fact
        self.advice = advice


class Sessions(Enum):
    """The session of PostgreSQL behind a connection."""

    OWN = "none"
    KEPT = "one in session mode"
    LENT = "one in transaction mode"


@dataclass(frozen=True, slots=True)
class Route:
    """How the pool reaches PostgreSQL.

    Attributes:
        sessions: the session behind each connection.
        prepares: whether prepared statements work.
    """

    sessions: Sessions = Sessions.OWN
    prepares: bool = True


Connect = Callable[[], Awaitable[Connection]]


async def route_of(connect: Connect, connection: Connection, settings: DatabasePool) -> Route:
    """Return how the pool reaches PostgreSQL over connections like ``connection``.

    Args:
        connect: opens another such connection.
        connection: a connection to DATABASE_URL.
        settings: say what is declared.

    Raises:
        PoolerError: a pooler is in the way that is not declared, or whose sessions have other settings.
    """
    try:
        with answering(connection, ANSWER_WITHIN_S):
            if await _is_lent(connect, connection, settings):
                await _check_settings(connection)
                return Route(Sessions.LENT, await _prepares(connection))
            return Route(Sessions.OWN if await _is_own(connection) else Sessions.KEPT)
    except psycopg.Error as error:
        raise as_server_error(error) from None


async def require_session(connect: Connect, connection: Connection, settings: DatabasePool) -> None:
    """Refuse a connection for session state that has no session of its own; see ``route_of``.

    Raises:
        PoolerError: a pooler in transaction mode is in the way.
    """
    try:
        with answering(connection, ANSWER_WITHIN_S):
            if await _is_own(connection) or await _keeps_session(connect, connection):
                return
    except psycopg.Error as error:
        raise as_server_error(error) from None
    if settings.direct_url is not None:
        raise PoolerError(
            "database.direct_url leads to a pooler in transaction mode (such as PgBouncer), which has no sessions for"
            " LISTEN, advisory locks and migrations",
            "let it name PostgreSQL itself, or a pooler in session mode",
        )
    raise _undeclared()


def _undeclared() -> PoolerError:
    return PoolerError(
        "DATABASE_URL leads to a pooler in transaction mode (such as PgBouncer), which has no sessions for LISTEN,"
        " advisory locks and migrations",
        "set database.direct_url (DATABASE__DIRECT_URL) to an address of PostgreSQL itself; the pool of the server then"
        " goes through the pooler",
    )


async def _is_lent(connect: Connect, connection: Connection, settings: DatabasePool) -> bool:
    if settings.pooler is PoolerMode.TRANSACTION:
        return True
    if await _is_own(connection):
        return False
    if settings.pooler is PoolerMode.AUTO and settings.direct_url is not None:
        return True
    if await _keeps_session(connect, connection):
        return False
    if settings.direct_url is None:
        raise _undeclared()
    raise PoolerError(
        'database.pooler is "session", but DATABASE_URL leads to a pooler in transaction mode',
        'set database.pooler = "transaction"',
    )


async def _is_own(connection: Connection) -> bool:
    """Return whether no pooler is in between."""
    return await session_of(connection) == connection.info.backend_pid


async def session_of(connection: Connection) -> int:
    """Return the number of the PostgreSQL process behind a connection."""
    [pid] = await (await connection.cursor(row_factory=SCALAR).execute(_PID)).fetchall()
    return int(pid)


async def _keeps_session(connect: Connect, connection: Connection) -> bool:
    """Return whether two connections keep a session each."""
    seen: tuple[set[int], set[int]] = (set(), set())
    async with await connect() as other:
        with answering(other, ANSWER_WITHIN_S):
            for turn in _TURNS:
                seen[turn].add(await session_of((connection, other)[turn]))
    return len(seen[0]) == len(seen[1]) == 1 and seen[0] != seen[1]


async def _prepares(connection: Connection) -> bool:
    """Return whether the pooler knows the prepared statements of its clients: it then gives them names of its own.

    In a transaction, because the session stays the same there.
    """
    connection.prepare_threshold = 0
    try:
        async with connection.transaction():
            [passed_on] = await (await connection.cursor(row_factory=SCALAR).execute(_SQL["prepared"])).fetchall()
            if passed_on:
                await connection.execute(_SQL["forget_prepared"], prepare=False)
    except psycopg.errors.DuplicatePreparedStatement:
        return False
    finally:
        connection.prepare_threshold = None
    return not passed_on


async def _check_settings(connection: Connection) -> None:
    """Check the settings that a session of the server's own would ask for at its start.

    Raises:
        PoolerError: a setting has another value.
    """
    [row] = await (await connection.cursor(row_factory=NAMED).execute(_SQL["session_settings"])).fetchall()
    wanted = []
    if row.timezone not in _IN_UTC:
        wanted.append(("timezone", row.timezone, "UTC"))
    if row.isolation != _ISOLATION:
        wanted.append(("default_transaction_isolation", row.isolation, _ISOLATION))
    if wanted:
        raise PoolerError(
            "sessions behind the pooler have " + " and ".join(f"{name} = {value!r}" for name, value, _ in wanted),
            "; ".join(f"ALTER ROLE {row.role} SET {name} = '{value}'" for name, _, value in wanted)
            + "; then RECONNECT in the pooler",
        )


async def check_options(connection: Connection, statement_timeout_ms: int) -> None:
    """Check that the options of a connection of the pool have reached its session.

    Raises:
        PoolerError: they have not.
    """
    try:
        with answering(connection, ANSWER_WITHIN_S):
            [row] = await (await connection.cursor(row_factory=NAMED).execute(_SQL["session_settings"])).fetchall()
    except psycopg.Error as error:
        raise as_server_error(error) from None
    if row.statement_timeout != statement_timeout_ms:
        raise options_refused()


def options_refused() -> PoolerError:
    """Return the error for a pooler that does not pass the startup parameter ``options`` on."""
    return PoolerError(
        "a pooler does not pass the startup parameter 'options' on to PostgreSQL",
        'set database.pooler = "transaction", and database.direct_url to an address with sessions: that of PostgreSQL'
        " itself, or the same one if the pooler is in session mode",
    )
