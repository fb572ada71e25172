"""How a connection to the database is opened, and how one that does not answer is ended.

Every connection of the server is opened with the parameters of this module, in a pool or outside of one.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from core.errors import StartupError

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

KEEP_ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}
"""A connection over TCP to a machine that vanished ends within half a minute, not after the system's hours.

What DATABASE_URL says of these wins.
"""

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
        return await psycopg.AsyncConnection.connect(
            dsn,
            autocommit=True,
            prepare_threshold=None,  # migrations reset the session, and prepared statements with it
            **parameters(dsn, timeout),
        )
    except psycopg.OperationalError as error:
        place = _place(dsn)
        if not _HARMLESS.fullmatch(place):
            raise StartupError(
                "the database cannot be reached, and DATABASE_URL looks cut in the wrong places:"
                " percent-encode special characters of the password (@ is %40, : is %3A, / is %2F, # is %23)"
            ) from None
        raise StartupError(f"the database at {place} cannot be reached: {' '.join(str(error).split())}") from None


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
