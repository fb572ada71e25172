"""LISTEN/NOTIFY: carries wake-ups, and what tasks stream, between the worker processes.

The connection stands outside the pool. It is a supervised service: when the database restarts,
the run ends, the supervisor starts it again, and everybody is woken once, because what was
notified in between is lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

import psycopg

from core.errors import Unavailable
from server.database.connecting import Connection, answering, connect
from server.database.refusals import READ_ONLY, worded
from server.database.server_process import ServerProcess

WAKE = "flovyn_wake"
NUDGE = "flovyn_nudge"
STREAM = "flovyn_stream"
NOTIFY = "SELECT pg_notify(%(channel)s, payload) FROM unnest(%(payloads)s::text[]) AS payload"

_ALIVE_CHECK_S = 20.0
"""A connection on which nothing came for so long is checked. The leader is heard on it all the time."""
_ANSWER_WITHIN_S = 5.0
"""A connection that leaves a statement unanswered for so long counts as lost."""

_log = logging.getLogger(__name__)


class Notifications:
    """Listens on channels and passes every payload on; see ``core.service.Service``."""

    name = "notifications"

    def __init__(
        self,
        dsn: str,
        received: Mapping[str, Callable[[str], None]],
        connected: Callable[[], None],
        process: ServerProcess,
    ) -> None:
        """Take where to connect, what to call per payload of each channel, and what after every (re)connection.

        What is called with a payload raises ValueError when it is not the server's: anybody can notify. The connection
        holds the lock of ``process``, too: it is the one that lives as long as the process.
        """
        self._dsn = dsn
        self._received = received
        self._connected = connected
        self._process = process
        self.connected = asyncio.Event()
        """Set after every (re)connection: a signal for tests."""

    async def run(self) -> None:
        """Listen until cancelled; raises when the connection is lost."""
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
            raise worded(error) from None
        finally:
            self._process.lose()
            await connection.close()

    def _pass_on(self, channel: str, payload: str) -> None:
        try:
            self._received[channel](payload)
        except ValueError:
            _log.warning("a notification on the channel %s is not the server's; it is ignored", channel)


async def _check(connection: Connection) -> None:
    """Ask a question over a connection on which nothing came for a while: it may be half dead, or lead to a standby.

    Raises:
        Unavailable: it leads to a standby: what the servers notify at the new primary does not come here.
    """
    with answering(connection, _ANSWER_WITHIN_S):
        row = await (await connection.execute("SELECT pg_is_in_recovery()")).fetchone()
    if row == (True,):
        raise Unavailable(READ_ONLY)
