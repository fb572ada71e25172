"""Opens connections to the database, and ends those that do not answer.

Every connection of the server is opened with the parameters of this module, in a pool or outside of one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from core.errors import StartupError
from server.database.primaries import open_connection

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

_log = logging.getLogger(__name__)

KEEP_ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}
"""A TCP connection to a machine that vanished ends within half a minute; the system's default is hours.

Values in DATABASE_URL take precedence.
"""

TRY_AGAIN_S = 1.0
"""The time between two attempts of ``connect_patiently``; each attempt logs one line."""

PING_WITHIN_S = 2
"""In seconds. A ping blocks the event loop, but only a starting process pings, and the database has just answered."""

_TEMPORARY = re.compile(
    # unreachable
    r"timeout expired|Connection refused|Is the server running locally|Connection reset|Broken pipe|No route to host"
    r"|Network is unreachable|Host is down|server closed the connection|could not (send|receive) data"
    rf"|\[Errno {socket.EAI_AGAIN}\]"
    # refused: 57P01 to 57P03, 53300
    r"|the database system is |terminating connection|too many (clients|connections)|remaining connection slots"
    # target_session_attrs requires a primary, and no server is one
    r"|session is read-only|server is in hot standby mode|is an old primary"
)
"""English messages of libpq and PostgreSQL: libpq does not expose the SQLSTATE of a refused connection."""

_LOGGABLE = re.compile(r"[^:@#?]*:[0-9,]+/[^:@/#?]*")
"""A well-formed host, port and database; any other text may contain a part of a password."""


def parameters(dsn: str, timeout: float) -> dict[str, Any]:
    """Return the libpq parameters of a connection to ``dsn``, without those that ``dsn`` itself sets.

    Raises:
        StartupError: ``dsn`` is not a valid address.
    """
    return {
        **{name: value for name, value in KEEP_ALIVE.items() if name not in _parsed(dsn)},
        "connect_timeout": max(2, round(timeout)),  # libpq takes whole seconds, and none below 2
        "application_name": "flovyn-server",
        "client_encoding": "utf8",  # a role or PGCLIENTENCODING may set another one, and texts could not be decoded
    }


async def connect(dsn: str, timeout: float) -> Connection:  # noqa: ASYNC109 - the driver's own connect timeout
    """Open one connection outside any pool, in autocommit mode.

    Raises:
        StartupError: the connection failed; the message holds address and reason, but no password.
    """
    try:
        return await _open(dsn, timeout)
    except psycopg.OperationalError as error:
        raise startup_error(error, dsn) from None


async def connect_patiently(dsn: str, timeout: float, wait: float) -> Connection:  # noqa: ASYNC109 - as above
    """Open one connection; while the database refuses for a temporary reason, try again for up to ``wait`` seconds.

    Only for a process that does not serve yet: the check of the reason may block the event loop for a moment.

    Raises:
        StartupError: as ``connect``; at once when the reason is not temporary.
    """
    ends = time.monotonic() + wait
    while True:
        try:
            return await _open(dsn, timeout)
        except psycopg.OperationalError as error:
            refused, left = startup_error(error, dsn), ends - time.monotonic()
            if not wait or not _is_temporary(error, dsn):
                raise refused from None
            if left <= 0:
                raise StartupError(f"{refused}; gave up after {wait:g} s (database.startup_wait)") from None
            _log.warning("waiting for the database, for up to %.0f s: %s", left, refused)
        await asyncio.sleep(min(TRY_AGAIN_S, left))


async def _open(dsn: str, timeout: float) -> Connection:  # noqa: ASYNC109 - as above
    connection, _ = await open_connection(
        psycopg.AsyncConnection.connect,
        dsn,
        autocommit=True,
        prepare_threshold=None,  # migrations reset the session, and prepared statements with it
        **parameters(dsn, timeout),
    )
    return connection


def startup_error(error: psycopg.OperationalError, dsn: str) -> StartupError:
    """Return the error for a connection that was refused; it holds address and reason, but no password."""
    address = _address(dsn)
    if not _LOGGABLE.fullmatch(address):
        return StartupError(
            "the database cannot be reached, and DATABASE_URL seems to be split wrongly:"
            " percent-encode special characters of the password (@ is %40, : is %3A, / is %2F, # is %23)"
        )
    return StartupError(f"the database at {address} cannot be reached: {' '.join(str(error).split())}")


def _is_temporary(error: psycopg.OperationalError, dsn: str) -> bool:
    """Return whether every address refused for a temporary reason."""
    refusals = str(error).split("\n- ")
    others = [each for each in refusals[1:] or refusals if not _TEMPORARY.search(each)]
    if others and all("FATAL" in each for each in others):  # a message of PostgreSQL, maybe not in English
        conninfo = psycopg.conninfo.make_conninfo(dsn, connect_timeout=PING_WITHIN_S)
        return bool(psycopg.pq.PGconn.ping(conninfo.encode()) == psycopg.pq.Ping.REJECT)
    return not others


@contextmanager
def answering(connection: Connection, within: float) -> Iterator[None]:
    """Cut the connection when the body takes longer than ``within`` seconds, so that its statement fails.

    A cancellation of the task is not enough: the driver then waits for the database's answer to a cancel request.
    """
    timer = asyncio.get_running_loop().call_later(within, cut, connection)
    try:
        yield
    finally:
        timer.cancel()


def cut(connection: Connection) -> None:
    """Shut down both directions of the socket: a statement that waits for its answer fails."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)


def _parsed(dsn: str) -> dict[str, Any]:
    try:
        return psycopg.conninfo.conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        raise StartupError(
            "DATABASE_URL is not a valid address; write postgres://user:password@host:port/database"
        ) from None


def _address(dsn: str) -> str:
    info = _parsed(dsn)
    host = info.get("host") or "localhost"
    return f"{host}:{info.get('port') or 5432}/{info.get('dbname') or info.get('user') or ''}"
