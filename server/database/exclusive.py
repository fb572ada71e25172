"""Work that one process of a deployment does at a time: advisory locks, all of a process's on one connection.

The connection stands outside the pool and is there only while something is locked or waited for. Locks belong to it:
when it is lost, whoever is inside is cancelled, because another process may be inside by now. Only one task, the
keeper, speaks over it, so that no cancelled caller can leave a lock behind.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg

from core.errors import FlovynError, Unavailable
from server.database.connecting import Connection, answering, connect, cut

Cursor = psycopg.AsyncCursor[tuple[Any, ...]]

LOOK_EVERY_S = 1.0
"""How often locks that others hold are tried again: the end of a holder's process is announced by nobody."""

CHECK_EVERY_S = 5.0
"""How often the connection is checked with a statement while locks are held and none is waited for.

A connection that PostgreSQL ends is noticed at once; this finds one that has fallen silent.
"""

ANSWER_WITHIN_S = 5.0
"""A connection that leaves a statement unanswered for so long counts as lost."""

UNLOCK_WITHIN_S = 1.0
"""How long the end of the process waits until its locks are unlocked and announced as free."""

KEEP_ALIVE = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"
"""Lets PostgreSQL free the locks of a machine that vanished within half a minute instead of hours."""

TRY = """
SELECT
    pg_is_in_recovery(),
    array(
        SELECT name
        FROM unnest(%s::text[]) AS name
        WHERE pg_try_advisory_lock(hashtextextended('flovyn:' || name, 0))
    )
"""
"""Locks of a standby keep nobody out of the primary: after a failover, the connection may lead to the old one."""

FREE = "flovyn_free"
"""The channel on which processes announce the names of locks that they have unlocked."""

UNLOCK = """
SELECT pg_advisory_unlock(hashtextextended('flovyn:' || name, 0)), pg_notify('flovyn_free', name)
FROM unnest(%s::text[]) AS name
"""

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Turn:
    """The time in which one task is inside a context that a lock protects.

    Attributes:
        name: of the lock.
        lost: whether the lock was lost with its connection.
        over: whether the task has left the context, so that the lock can be unlocked.
    """

    name: str
    lost: bool = False
    over: bool = False
    _body: asyncio.Task[object] | None = None
    _interrupted: bool = False

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Run the body of the context.

        Raises:
            Unavailable: the lock was lost; the body was cancelled, or has not begun.
        """
        if self.lost:
            raise self._loss()
        self._body = asyncio.current_task()
        try:
            yield
        except asyncio.CancelledError:
            if self._interrupted and self._body is not None and self._body.uncancel() == 0:
                raise self._loss() from None
            raise
        finally:
            self._body = None

    def lose(self) -> None:
        """Cancel the body: from now on, another process may be inside."""
        self.lost = True
        if self._body is not None:
            self._interrupted = True
            self._body.cancel()

    def _loss(self) -> Unavailable:
        return Unavailable(f"the database connection that held {self.name!r} was lost")


class AdvisoryLocks:
    """The locks of one process."""

    def __init__(self, dsn: str) -> None:
        """Take where to connect; nothing is opened before the first lock is wanted."""
        self._dsn = dsn
        self._connection: Connection | None = None
        self._waiting: defaultdict[str, deque[asyncio.Future[Turn | None]]] = defaultdict(deque)
        self._impatient: set[asyncio.Future[Turn | None]] = set()
        self._inside: dict[str, Turn] = {}
        self._changed = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def exclusively(self, name: str) -> AsyncIterator[None]:
        """Wait until nobody else on this database is inside a context of that name, and keep them out.

        Raises:
            Unavailable: the connection that holds the lock was lost; the body was cancelled.
        """
        turn = await self._enter(name, waits=True)
        assert turn is not None  # it has waited
        try:
            with turn.inside():
                yield
        finally:
            self._leave(turn)

    @asynccontextmanager
    async def attempt(self, name: str) -> AsyncIterator[bool]:
        """Like ``exclusively``, without waiting for other holders: yield whether the lock was free and is now held.

        While the database cannot be reached, it waits for that.

        Raises:
            Unavailable: the connection that holds the lock was lost; the body was cancelled.
        """
        turn = await self._enter(name, waits=False)
        if turn is None:
            yield False
            return
        try:
            with turn.inside():
                yield True
        finally:
            self._leave(turn)

    def freed(self, _name: str) -> None:
        """Try the locks that are waited for: some process has announced that it has unlocked one."""
        if self._is_awaited():
            self._changed.set()

    async def close(self) -> None:
        """Let go of everything; tasks that are inside or wait are cancelled."""
        for future in [each for queue in self._waiting.values() for each in queue]:
            future.cancel()
        if self._keeper is None:
            return
        if all(turn.over for turn in self._inside.values()):
            await asyncio.wait([self._keeper], timeout=UNLOCK_WITHIN_S)  # it announces what it unlocks, and ends
        self._keeper.cancel()
        if self._connection is not None:
            cut(self._connection)  # a statement without an answer would outlast the cancellation
        await asyncio.wait([self._keeper])

    async def _enter(self, name: str, *, waits: bool) -> Turn | None:
        """Return a turn that has begun; None if another holds the lock and the caller does not wait."""
        future: asyncio.Future[Turn | None] = asyncio.get_running_loop().create_future()
        queue = self._waiting[name]
        queue.append(future)
        if not waits:
            self._impatient.add(future)
        self._changed.set()
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._keep(), name="locks")
        try:
            return await future
        except asyncio.CancelledError:
            turn = future.result() if future.done() and not future.cancelled() else None
            if turn is not None:
                self._leave(turn)  # locked for a caller who is going
            raise
        finally:
            queue.remove(future)
            self._impatient.discard(future)

    def _leave(self, turn: Turn) -> None:
        """Need the lock no more; the keeper unlocks."""
        turn.over = True
        self._changed.set()

    async def _keep(self) -> None:
        """Try the locks that are waited for, and watch over the connection, while there is anything to do."""
        try:
            while self._inside or self._is_awaited():
                self._changed.clear()
                try:
                    await self._look()
                except (psycopg.Error, FlovynError) as error:
                    _log.warning("the connection for locks was lost: %s", error)
                    await self._lose()
                if self._inside or self._is_awaited():
                    await self._rest()
        finally:
            await self._lose()

    def _is_awaited(self) -> bool:
        return any(not future.done() for queue in self._waiting.values() for future in queue)

    async def _rest(self) -> None:
        """Sleep until there is something to do: a lock to try or to unlock, or news on the connection."""
        pause = LOOK_EVERY_S if self._is_awaited() else CHECK_EVERY_S
        with _watched(self._connection, self._changed.set), suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._changed.wait()

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
        impatient = set(self._impatient)
        row = await (await self._ask(TRY, wanted)).fetchone()
        assert row is not None
        in_recovery, locked = row
        if in_recovery:
            raise Unavailable("it leads to a standby; after a failover, DATABASE_URL must lead to the new primary")
        for name in locked:
            turn = self._inside[name] = Turn(name)
            future = next((each for each in self._waiting[name] if not each.done()), None)
            if future is None:
                self._leave(turn)
            else:
                future.set_result(turn)
        for future in impatient:
            if not future.done():
                future.set_result(None)

    async def _ask(self, statement: str, *arguments: Sequence[str]) -> Cursor:
        """Run a statement; without an answer in time it fails."""
        assert self._connection is not None  # _look opens it
        with answering(self._connection, ANSWER_WITHIN_S):
            return await self._connection.execute(statement, arguments or None)

    async def _lose(self) -> None:
        """Close the connection, and cancel whoever relies on it, once for each lock."""
        connection, self._connection = self._connection, None
        turns = list(self._inside.values())
        self._inside.clear()
        for turn in turns:
            turn.lose()
        if connection is not None:
            await connection.close()


@contextmanager
def _watched(connection: Connection | None, news: Callable[[], None]) -> Iterator[None]:
    """Call ``news`` when an idle connection becomes readable: PostgreSQL then says that it ends.

    The driver watches the connection itself, but only while it waits for an answer.
    """
    if connection is None or connection.closed:
        yield
        return
    loop, descriptor = asyncio.get_running_loop(), connection.fileno()
    loop.add_reader(descriptor, news)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
