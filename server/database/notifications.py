"""Notifications: wake-ups and stream chunks that cross processes, by LISTEN and NOTIFY.

The connection is not of the pool. The supervisor starts the service again when the connection is lost. After each
connection all pollers are woken once, because notifications of the meantime are lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

import psycopg

from core.errors import Unavailable
from core.named_queries import named_queries
from server.database.connecting import Connection, answering, connect
from server.database.refusals import READ_ONLY, as_server_error
from server.database.rows import NAMED
from server.database.server_process import ServerProcess

WAKE = "flovyn_wake"
NUDGE = "flovyn_nudge"
STREAM = "flovyn_stream"

_SQL = named_queries(__package__, "statements.sql")
NOTIFY = _SQL["notify"]

_ALIVE_CHECK_S = 20.0
"""A connection without a notification for this time is checked; normally the leader announces itself more often."""
_ANSWER_WITHIN_S = 5.0
"""A connection counts as lost when a statement has no answer after this time."""

_log = logging.getLogger(__name__)


class Notifications:
    """Listens on channels, and passes each payload to the function of its channel; see ``core.service.Service``.

    A function raises ValueError for a payload that the server did not send: every role may notify. ``connected`` is
    called after each connection. The connection also holds the lock of ``process``: it lives as long as the process.
    """

    name = "notifications"

    def __init__(
        self,
        dsn: str,
        received: Mapping[str, Callable[[str], None]],
        connected: Callable[[], None],
        process: ServerProcess,
    ) -> None:
        self._dsn = dsn
        self._received = received
        self._connected = connected
        self._process = process
        self.connected = asyncio.Event()
        """Set after the first connection."""

    async def run(self) -> None:
        """Listen until cancelled.

        Raises:
            FlovynError: the connection was lost, or leads to a standby.
        """
        connection = await connect(self._dsn, timeout=5)
        try:
            with answering(connection, _ANSWER_WITHIN_S):
                await self._process.hold(connection)
                for channel in self._received:
                    await connection.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(channel)))
            self._connected()
            self.connected.set()
            while True:
                is_silent = True
                async for notification in connection.notifies(timeout=_ALIVE_CHECK_S):
                    is_silent = False
                    self._pass_on(notification.channel, notification.payload)
                if is_silent:
                    await _check(connection)
        except psycopg.Error as error:
            raise as_server_error(error) from None
        finally:
            self._process.lose()
            await connection.close()

    def _pass_on(self, channel: str, payload: str) -> None:
        try:
            self._received[channel](payload)
        except ValueError:
            _log.warning("ignored a notification on channel %s: the server did not send it", channel)


async def _check(connection: Connection) -> None:
    """Check a connection without notifications: it may be half open, or lead to a standby.

    Raises:
        Unavailable: it leads to a standby, which gets no notifications of the new primary.
    """
    with answering(connection, _ANSWER_WITHIN_S):
        [row] = await (await connection.cursor(row_factory=NAMED).execute(_SQL["state"])).fetchall()
    if row.in_recovery:
        raise Unavailable(READ_ONLY)
