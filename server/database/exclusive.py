"""Work that one process of a deployment does at a time: advisory locks, all of a process's on one connection.

The connection stands outside the pool and is there only while something is locked or waited for. Locks belong to it:
when it is lost, whoever is inside is cancelled, because another process may be inside by now. Only one task, the
keeper, speaks over it, so that no cancelled caller can leave a lock behind.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg

from core.errors import FlovynError, Unavailable
from server.database.pool import Connection, connect

Cursor = psycopg.AsyncCursor[tuple[Any, ...]]

LOOK_EVERY_S = 1.0
"""How often locks that others hold are tried again, and the connection is looked after."""

ANSWER_WITHIN_S = 5.0
"""A connection that leaves a statement unanswered for so long counts as lost."""

KEEP_ALIVE = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"
"""Lets PostgreSQL free the locks of a machine that vanished within half a minute instead of hours."""

TRY = """
SELECT name
FROM unnest(%s::text[]) AS name
WHERE pg_try_advisory_lock(hashtextextended('flovyn:' || name, 0))
"""
UNLOCK = "SELECT pg_advisory_unlock(hashtextextended('flovyn:' || name, 0)) FROM unnest(%s::text[]) AS name"

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Turn:
    """Somebody who is inside; ``lost`` once the lock is no longer theirs, ``over`` once they need it no more."""

    body: asyncio.Task[object] | None = None
    lost: bool = False
    over: bool = False


class Locks:
    """The locks of one process."""

    def __init__(self, dsn: str) -> None:
        """Take where to connect; nothing is opened before the first lock is wanted."""
        self._dsn = dsn
        self._connection: Connection | None = None
        self._waiting: defaultdict[str, deque[asyncio.Future[_Turn]]] = defaultdict(deque)
        self._inside: dict[str, _Turn] = {}
        self._changed = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def exclusively(self, name: str) -> AsyncIterator[None]:
        """Wait until nobody else on this database is inside a context of that name, and keep them out.

        Raises:
            Unavailable: the connection that holds the lock was lost; the body was cancelled.
        """
        turn = await self._enter(name)
        try:
            yield
        except asyncio.CancelledError:
            if turn.lost and turn.body is not None and turn.body.uncancel() == 0:
                raise _lost(name) from None
            raise
        finally:
            self._leave(turn)

    async def close(self) -> None:
        """Let go of everything; whoever is inside or waits is cancelled."""
        if self._keeper is not None:
            self._keeper.cancel()
            if self._connection is not None:
                _cut(self._connection)  # a statement without an answer would outlast the cancellation
            await asyncio.wait([self._keeper])
        for future in [each for queue in self._waiting.values() for each in queue]:
            future.cancel()

    async def _enter(self, name: str) -> _Turn:
        future: asyncio.Future[_Turn] = asyncio.get_running_loop().create_future()
        queue = self._waiting[name]
        queue.append(future)
        self._changed.set()
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._keep(), name="locks")
        try:
            turn = await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._leave(future.result())  # locked for us, who are going
            raise
        finally:
            queue.remove(future)
        if turn.lost:  # between the lock and our waking
            raise _lost(name)
        turn.body = asyncio.current_task()
        return turn

    def _leave(self, turn: _Turn) -> None:
        """Need the lock no more; the keeper unlocks."""
        turn.body = None
        turn.over = True
        self._changed.set()

    async def _keep(self) -> None:
        """Try the locks that are waited for, and watch over the connection, while there is anything to do."""
        try:
            while self._inside or any(self._waiting.values()):
                self._changed.clear()
                try:
                    await self._look()
                except (psycopg.Error, FlovynError) as error:
                    _log.warning("the connection for locks was lost: %s", error)
                    await self._lose()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), LOOK_EVERY_S)
        finally:
            await self._lose()

    async def _look(self) -> None:
        if self._connection is None:
            self._connection = await connect(self._dsn, timeout=ANSWER_WITHIN_S)
            await self._ask(KEEP_ALIVE)
        over = [name for name, turn in self._inside.items() if turn.over]
        if over:
            await self._ask(UNLOCK, over)
            for name in over:
                del self._inside[name]
        wanted = [name for name, queue in self._waiting.items() if queue and name not in self._inside]
        for (name,) in await (await self._ask(TRY, wanted)).fetchall():
            turn = self._inside[name] = _Turn()
            future = next((each for each in self._waiting[name] if not each.done()), None)
            if future is None:
                self._leave(turn)
            else:
                future.set_result(turn)

    async def _ask(self, statement: str, *arguments: Sequence[str]) -> Cursor:
        """Run a statement; without an answer in time, the connection is cut, so that the statement fails.

        Cancelling it would not do: the driver then waits for the answer to its cancellation.
        """
        assert self._connection is not None  # _look opens it
        timer = asyncio.get_running_loop().call_later(ANSWER_WITHIN_S, _cut, self._connection)
        try:
            return await self._connection.execute(statement, arguments or None)
        finally:
            timer.cancel()

    async def _lose(self) -> None:
        """Close the connection, and cancel whoever relies on it, once for each lock."""
        connection, self._connection = self._connection, None
        turns = list(self._inside.values())
        self._inside.clear()
        for turn in turns:
            turn.lost = True
            if turn.body is not None:
                turn.body.cancel()
        if connection is not None:
            await connection.close()


def _cut(connection: Connection) -> None:
    """End both directions of a connection; whoever waits for its answer gets an error."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)


def _lost(name: str) -> Unavailable:
    return Unavailable(f"the database connection that held {name!r} was lost")
