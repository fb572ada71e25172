"""Work that one process of a deployment does at a time: advisory locks, all of a process's on one connection.

The connection stands outside the pool and is there only while something is locked or waited for. Locks belong to it:
when it is lost, whoever is inside is cancelled, because another process may be inside by now.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import psycopg

from core.errors import FlovynError, Unavailable
from server.database.pool import Connection, connect

LOOK_EVERY_S = 1.0
"""How often locks that others hold are tried again, and the connection is looked after."""

TRY = """
SELECT name
FROM unnest(%s::text[]) AS name
WHERE pg_try_advisory_lock(hashtextextended('flovyn:' || name, 0))
"""
UNLOCK = "SELECT pg_advisory_unlock(hashtextextended('flovyn:' || %s, 0))"

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Turn:
    """Somebody who is inside; ``lost`` once the lock is no longer theirs."""

    body: asyncio.Task[object] | None = None
    lost: bool = False


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
        turn.body = asyncio.current_task()
        assert turn.body is not None  # contexts are entered by tasks
        try:
            yield
        except asyncio.CancelledError:
            if turn.lost and turn.body.uncancel() == 0:
                raise Unavailable(f"the database connection that held {name!r} was lost") from None
            raise
        finally:
            await self._leave(name, turn)

    async def close(self) -> None:
        """Let go of everything; whoever is inside or waits is cancelled."""
        if self._keeper is not None:
            self._keeper.cancel()
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
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                await self._leave(name, future.result())  # locked for us, who are going
            raise
        finally:
            queue.remove(future)

    async def _leave(self, name: str, turn: _Turn) -> None:
        if turn.lost or self._connection is None:
            return
        try:
            await self._connection.execute(UNLOCK, (name,))
        except psycopg.Error:
            await self._lose()
        self._inside.pop(name, None)
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
            self._connection = await connect(self._dsn, timeout=5)
        wanted = [name for name, queue in self._waiting.items() if queue and name not in self._inside]
        rows = await (await self._connection.execute(TRY, (wanted,))).fetchall()
        for (name,) in rows:
            turn = self._inside[name] = _Turn()
            future = next((each for each in self._waiting[name] if not each.done()), None)
            if future is None:
                await self._leave(name, turn)
            else:
                future.set_result(turn)

    async def _lose(self) -> None:
        """Close the connection, and cancel whoever relies on it."""
        connection, self._connection = self._connection, None
        turns = list(self._inside.values())
        self._inside.clear()
        for turn in turns:
            turn.lost = True
        for body in {turn.body for turn in turns if turn.body is not None}:
            body.cancel()
        if connection is not None:
            await connection.close()
