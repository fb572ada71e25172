"""Checks whether the database takes writes, over a connection of its own, and answers within a second in any case.

The check does not use the pool. When the pool is exhausted or its connections are stuck, the answer is needed most. And
a session that was opened while the database was read-only may stay read-only for ever
(``ALTER DATABASE ... SET default_transaction_read_only``).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

import psycopg

from core.errors import StartupError
from core.named_queries import named_queries
from server.database.connecting import Connection, answering, connect, cut
from server.database.poolers import Sessions
from server.database.primaries import ASK_EVERY_S, primary_of
from server.database.rows import NAMED

ANSWER_WITHIN_S = 0.7
"""A check counts as unanswered after this time."""

KEEP_S = 1.0
"""The time for which an answer is reused without a new check; also the pause between two checks of ``doubt``."""

GIVE_UP_S = 5.0
"""After this time without an answer the connection is closed; the next check opens another one."""

_QUESTION = named_queries(__package__, "statements.sql")["state"]

_AWAY = "the database cannot be reached"
_SILENT = "the database does not answer"
_STANDBY = "the database is in recovery: it is a standby, or not yet promoted"
_READ_ONLY = "the database is set to read-only (default_transaction_read_only)"
_POOLER = (
    "a pooler has come between the server and PostgreSQL, and gives its connections no session of their own:"
    " see database.pooler and database.direct_url, and start the server again"
)

_log = logging.getLogger(__name__)


class Writability:
    """Runs one check at a time for any number of callers; connects to ``dsn`` at the first check.

    ``renew`` replaces the connections of the pool, once the database takes writes again. ``sessions`` are those that
    the pool expects behind its connections: a pooler that came later, and has others, is a reason, too.
    """

    def __init__(self, dsn: str, renew: Callable[[], Awaitable[None]], sessions: Sessions) -> None:
        self._dsn = dsn
        self._renew = renew
        self._sessions = sessions
        self._session: int | None = None
        self._connected_at = 0.0
        self._connection: Connection | None = None
        self._question: asyncio.Task[None] | None = None
        self._asked_at = 0.0
        self._answered_at: float | None = None
        self._answer: str | None = None
        self._watch: asyncio.Task[None] | None = None
        self._doubted = False

    async def why_not(self) -> str | None:
        """Return the reason why the database takes no writes, within a second; None when it takes writes."""
        if self._answered_at is not None and time.monotonic() - self._answered_at < KEEP_S:
            return self._answer
        question = self._ask()
        waited = time.monotonic() - self._asked_at
        done, _ = await asyncio.wait([question], timeout=max(0, ANSWER_WITHIN_S - waited))
        return self._answer if done else _SILENT

    def doubt(self) -> None:
        """Check every second, over new connections, until the database takes writes; then renew the pool.

        To be called when a statement of the pool failed in a read-only session.
        """
        self._doubted = True
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._until_writable(), name="until the database takes writes")

    async def close(self) -> None:
        """Cancel the running check, and close the connection."""
        under_way = [task for task in (self._watch, self._question) if task is not None]
        self._watch = self._question = None
        for task in under_way:
            task.cancel()
        if self._connection is not None:
            cut(self._connection)  # a statement without an answer would outlive the cancellation
        if under_way:
            await asyncio.wait(under_way)
        await self._disconnect()

    def _ask(self) -> asyncio.Task[None]:
        """Start a check, or return the one that is running."""
        if self._question is None or self._question.done():
            self._asked_at = time.monotonic()
            self._question = asyncio.create_task(self._check(), name="whether the database takes writes")
        return self._question

    async def _check(self) -> None:
        was_open = self._connection is not None
        why, detail = await self._check_once()
        if why == _AWAY and was_open:  # the old connection had ended, which says nothing about the database now
            why, detail = await self._check_once()
        if why != self._answer:
            if why is None:
                _log.info("the database takes writes again")
            else:
                _log.warning("not ready: %s%s", why, f": {detail}" if detail else "")
        self._answer, self._answered_at = why, time.monotonic()

    async def _check_once(self) -> tuple[str | None, str]:
        """Return the reason or None, and a detail that only the log may hold, because it names hosts."""
        if time.monotonic() - self._connected_at > ASK_EVERY_S and primary_of(self._dsn) is not None:
            await self._disconnect()  # a new connection asks all hosts whether one of them was promoted
        try:
            if self._connection is None:
                self._connected_at = time.monotonic()
                self._connection = await connect(self._dsn, GIVE_UP_S)
                self._session = self._connection.info.backend_pid if self._sessions is Sessions.OWN else None
            with answering(self._connection, GIVE_UP_S):
                [row] = await (await self._connection.cursor(row_factory=NAMED).execute(_QUESTION)).fetchall()
        except (psycopg.Error, StartupError) as error:
            await self._disconnect()
            return _AWAY, str(error)
        if row.in_recovery or row.read_only:
            await self._disconnect()  # the session may stay read-only, or its server is no longer the primary
        elif self._has_another(row.session):
            await self._disconnect()
            return _POOLER, ""
        return (_STANDBY if row.in_recovery else _READ_ONLY if row.read_only else None), ""

    def _has_another(self, session: int) -> bool:
        """Return whether the connection has another session than it had, though the pool expects one of its own."""
        known, self._session = self._session, session
        return self._sessions is not Sessions.LENT and known is not None and known != session

    async def _until_writable(self) -> None:
        while self._doubted:
            self._doubted = False
            if self._question is not None:
                await asyncio.wait([self._question])
            await self._disconnect()
            await asyncio.wait([self._ask()])
            if self._answer is None:
                await self._renew()
            else:
                self._doubted = True
            await asyncio.sleep(KEEP_S)

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
