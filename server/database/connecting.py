"""How a connection to the database is opened, and how one that does not answer is ended.

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

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

_log = logging.getLogger(__name__)

KEEP_ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}
"""A connection over TCP to a machine that vanished ends within half a minute, not after the system's hours.

What DATABASE_URL says of these wins.
"""

TRY_AGAIN_S = 1.0
"""Between two attempts of ``connect_patiently``; each writes one line."""

PING_WITHIN_S = 2
"""In seconds; a ping blocks, but only a process that starts asks for one, and the database has just answered it."""

_PASSING = re.compile(
    # it cannot be reached
    r"timeout expired|Connection refused|Is the server running locally|Connection reset|Broken pipe|No route to host"
    r"|Network is unreachable|Host is down|server closed the connection|could not (send|receive) data"
    rf"|\[Errno {socket.EAI_AGAIN}\]"
    # it refuses: 57P01 to 57P03, 53300
    r"|the database system is |terminating connection|too many (clients|connections)|remaining connection slots"
    # target_session_attrs asks for a primary, and there is none
    r"|session is read-only|server is in hot standby mode"
)
"""Texts of libpq and of PostgreSQL, in English: libpq keeps the SQLSTATE of a refused connection to itself."""

_HARMLESS = re.compile(r"[^:@#?]*:[0-9,]+/[^:@/#?]*")
"""Host, port and database as they can be: anything else may hold a part of a password."""


def parameters(dsn: str, timeout: float) -> dict[str, Any]:
    """Return the parameters of a connection to ``dsn``: names of libpq, without those that the DSN itself holds.

    Raises:
        StartupError: ``dsn`` is not a valid address.
    """
    return {
        **{name: value for name, value in KEEP_ALIVE.items() if name not in _told(dsn)},
        "connect_timeout": max(2, round(timeout)),  # libpq takes whole seconds, and none below 2
        "application_name": "flovyn-server",
        "client_encoding": "utf8",  # a role or PGCLIENTENCODING may say otherwise: texts could then not be read
    }


async def connect(dsn: str, timeout: float) -> Connection:  # noqa: ASYNC109 - the driver's own connect timeout
    """Open one connection outside any pool, in autocommit mode.

    Raises:
        StartupError: says where it tried to connect and why that failed, without the password.
    """
    try:
        return await _open(dsn, timeout)
    except psycopg.OperationalError as error:
        raise _refused(error, dsn) from None


async def connect_patiently(dsn: str, timeout: float, wait: float) -> Connection:  # noqa: ASYNC109 - as above
    """Open one connection; while the database refuses for a reason that passes, try again for ``wait`` seconds.

    For a process that does not serve yet: to tell the reasons apart may block it for a moment.

    Raises:
        StartupError: as ``connect``; at once when the reason does not pass by itself.
    """
    ends = time.monotonic() + wait
    while True:
        try:
            return await _open(dsn, timeout)
        except psycopg.OperationalError as error:
            refused, left = _refused(error, dsn), ends - time.monotonic()
            if not wait or not _passes(error, dsn):
                raise refused from None
            if left <= 0:
                raise StartupError(f"{refused}; it was waited for {wait:g} s (database.startup_wait)") from None
            _log.warning("waiting for the database, for up to %.0f s: %s", left, refused)
        await asyncio.sleep(min(TRY_AGAIN_S, left))


async def _open(dsn: str, timeout: float) -> Connection:  # noqa: ASYNC109 - as above
    return await psycopg.AsyncConnection.connect(
        dsn,
        autocommit=True,
        prepare_threshold=None,  # migrations reset the session, and prepared statements with it
        **parameters(dsn, timeout),
    )


def _refused(error: psycopg.OperationalError, dsn: str) -> StartupError:
    place = _place(dsn)
    if not _HARMLESS.fullmatch(place):
        return StartupError(
            "the database cannot be reached, and DATABASE_URL looks cut in the wrong places:"
            " percent-encode special characters of the password (@ is %40, : is %3A, / is %2F, # is %23)"
        )
    return StartupError(f"the database at {place} cannot be reached: {' '.join(str(error).split())}")


def _passes(error: psycopg.OperationalError, dsn: str) -> bool:
    """Whether every address refused for a reason that passes by itself."""
    refusals = str(error).split("\n- ")
    others = [each for each in refusals[1:] or refusals if not _PASSING.search(each)]
    if others and all("FATAL" in each for each in others):  # PostgreSQL's own words, maybe in another language
        conninfo = psycopg.conninfo.make_conninfo(dsn, connect_timeout=PING_WITHIN_S)
        return bool(psycopg.pq.PGconn.ping(conninfo.encode()) == psycopg.pq.Ping.REJECT)
    return not others


@contextmanager
def answering(connection: Connection, within: float) -> Iterator[None]:
    """Cut the connection when the body takes longer than ``within`` seconds, so that its statement fails.

    To cancel the statement would not do: the driver then waits for the database's answer to the cancellation.
    """
    timer = asyncio.get_running_loop().call_later(within, cut, connection)
    try:
        yield
    finally:
        timer.cancel()


def cut(connection: Connection) -> None:
    """End both directions of a connection: a statement that waits for its answer gets an error."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)


def _told(dsn: str) -> dict[str, Any]:
    try:
        return psycopg.conninfo.conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        raise StartupError(
            "DATABASE_URL is not a valid address; write postgres://user:password@host:port/database"
        ) from None


def _place(dsn: str) -> str:
    info = _told(dsn)
    host = info.get("host") or "localhost"
    return f"{host}:{info.get('port') or 5432}/{info.get('dbname') or info.get('user') or ''}"
