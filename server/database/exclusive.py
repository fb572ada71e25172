"""Work that one process of a deployment does at a time: an advisory lock, held on a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

from core.errors import Unavailable
from server.database.pool import Connection, connect, worded

LOCK = "SELECT pg_advisory_lock(hashtextextended(%s, 0))"
_ALIVE_CHECK_S = 5.0


@asynccontextmanager
async def exclusively(dsn: str, name: str) -> AsyncIterator[None]:
    """Wait until nobody else on this database is inside a context of that name, and keep them out.

    Raises:
        Unavailable: the connection that holds the lock was lost; the body was cancelled, because another process
            may be inside by now.
    """
    connection = await connect(dsn, timeout=5)
    try:
        try:
            await connection.execute(LOCK, (f"flovyn:{name}",))
        except psycopg.Error as error:
            raise worded(error) from None
        body = asyncio.current_task()
        assert body is not None  # contexts are entered by tasks
        lost = asyncio.Event()
        watch = asyncio.create_task(_watch(connection, body, lost), name=f"lock {name}")
        try:
            yield
        except asyncio.CancelledError:
            if lost.is_set() and body.uncancel() == 0:
                raise Unavailable(f"the database connection that held {name!r} was lost") from None
            raise
        finally:
            watch.cancel()
            await asyncio.wait([watch])
    finally:
        await connection.close()


async def _watch(connection: Connection, body: asyncio.Task[object], lost: asyncio.Event) -> None:
    """Cancel the body when the connection ends; a half-dead one shows itself at the next check."""
    try:
        while True:
            async for _ in connection.notifies(timeout=_ALIVE_CHECK_S):
                pass
            await asyncio.wait_for(connection.execute("SELECT 1"), _ALIVE_CHECK_S)
    except (psycopg.Error, TimeoutError):
        lost.set()
        body.cancel()
