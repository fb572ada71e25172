"""LISTEN/NOTIFY: carries wake-ups between the worker processes.

The connection stands outside the pool. It is a supervised service: when the database restarts,
the run ends, the supervisor starts it again, and everybody is woken once, because what was
notified in between is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg

from server.database.pool import connect, worded

CHANNEL = "flovyn_wake"
NOTIFY = "SELECT pg_notify('flovyn_wake', payload) FROM unnest(%(payloads)s::text[]) AS payload"

_ALIVE_CHECK_S = 20.0


class Notifications:
    """Listens on one channel and passes every payload on; see ``core.service.Service``."""

    name = "notifications"

    def __init__(self, dsn: str, received: Callable[[str], None], connected: Callable[[], None]) -> None:
        """Take where to connect, what to call per payload, and what to call after every (re)connection."""
        self._dsn = dsn
        self._received = received
        self._connected = connected
        self.connected = asyncio.Event()
        """Set after every (re)connection: a signal for tests."""

    async def run(self) -> None:
        """Listen until cancelled; raises when the connection is lost."""
        connection = await connect(self._dsn, timeout=5)
        try:
            await connection.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(CHANNEL)))
            self._connected()
            self.connected.set()
            while True:
                async for notification in connection.notifies(timeout=_ALIVE_CHECK_S):
                    self._received(notification.payload)
                await connection.execute("SELECT 1")  # a half-dead connection shows itself here
        except psycopg.Error as error:
            raise worded(error) from None
        finally:
            await connection.close()
