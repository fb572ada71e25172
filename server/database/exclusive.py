"""Advisory locks: work that only one process of a deployment does at a time.

All locks of a process are held on one connection outside of the pool, which is open only while a lock is held or waited
for. PostgreSQL ties locks to the connection. When it is lost, the bodies of all contexts are cancelled, because another
process may hold their locks by then. Only one task, the manager, sends statements over the connection, so that a
cancelled caller cannot leave a lock behind.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg

from core.errors import FlovynError, Unavailable
from core.named_queries import named_queries
from server.database.connecting import Connection, answering, connect, cut
from server.database.rows import NAMED

LOOK_EVERY_S = 1.0
"""The time between two attempts at a lock that another process holds: a process that dies announces nothing."""

CHECK_EVERY_S = 5.0
"""The time between two checks of the connection by a statement, while locks are held and none is waited for.

The end of a connection by PostgreSQL is noticed at once; a check finds a connection that no longer answers.
"""

ANSWER_WITHIN_S = 5.0
"""A connection counts as lost when a statement has no answer after this time."""

UNLOCK_WITHIN_S = 1.0
"""The longest time for which the end of a process waits until its locks are released and announced."""

FREE = "flovyn_free"
"""The channel on which processes announce the names of locks that they have released."""

_SQL = named_queries(__package__, "sessions.sql")
KEEP_ALIVE, TRY, UNLOCK = _SQL["keep_alive"], _SQL["try_locks"], _SQL["unlock"]

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Turn:
    """One task inside of a context that a lock protects.

    Attributes:
        name: the name of the lock.
        lost: whether the lock was lost with its connection.
        over: whether the task has left the context, so that the lock can be released.
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
        """Cancel the body: from now on, another process may hold the lock."""
        self.lost = True
        if self._body is not None:
            self._interrupted = True
            self._body.cancel()

    def _loss(self) -> Unavailable:
        return Unavailable(f"the database connection that held {self.name!r} was lost")


class AdvisoryLocks:
    """The advisory locks of one process; it connects to ``dsn`` when the first lock is requested."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: Connection | None = None
        self._waiting: defaultdict[str, deque[asyncio.Future[Turn | None]]] = defaultdict(deque)
        self._impatient: set[asyncio.Future[Turn | None]] = set()
        self._inside: dict[str, Turn] = {}
        self._changed = asyncio.Event()
        self._manager: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def exclusively(self, name: str) -> AsyncIterator[None]:
        """Hold the lock ``name`` inside of the context; waits until no other task of the deployment holds it.

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
        """Try the lock ``name`` once, and yield whether it is held now; see ``exclusively``.

        While the database cannot be reached, the call waits.

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
        """Try the awaited locks again: a process has announced that it has released one."""
        if self._is_awaited():
            self._changed.set()

    async def close(self) -> None:
        """Release all locks; tasks that hold locks or wait for them are cancelled."""
        for future in [each for queue in self._waiting.values() for each in queue]:
            future.cancel()
        if self._manager is None:
            return
        if all(turn.over for turn in self._inside.values()):  # the manager releases them, announces that, and ends
            await asyncio.wait([self._manager], timeout=UNLOCK_WITHIN_S)
        self._manager.cancel()
        if self._connection is not None:
            cut(self._connection)  # a statement without an answer would outlive the cancellation
        await asyncio.wait([self._manager])

    async def _enter(self, name: str, *, waits: bool) -> Turn | None:
        """Return a turn that has begun; None when the lock is held elsewhere and the caller does not wait."""
        future: asyncio.Future[Turn | None] = asyncio.get_running_loop().create_future()
        queue = self._waiting[name]
        queue.append(future)
        if not waits:
            self._impatient.add(future)
        self._changed.set()
        if self._manager is None or self._manager.done():
            self._manager = asyncio.create_task(self._manage(), name="locks")
        try:
            return await future
        except asyncio.CancelledError:
            turn = future.result() if future.done() and not future.cancelled() else None
            if turn is not None:
                self._leave(turn)  # the caller was cancelled just as it got the lock
            raise
        finally:
            queue.remove(future)
            self._impatient.discard(future)

    def _leave(self, turn: Turn) -> None:
        """Mark the turn as over; the manager releases the lock."""
        turn.over = True
        self._changed.set()

    async def _manage(self) -> None:
        """Run the manager: try awaited locks and check the connection, while a lock is held or awaited."""
        try:
            while self._inside or self._is_awaited():
                self._changed.clear()
                try:
                    await self._look()
                except (psycopg.Error, FlovynError) as error:
                    _log.warning("the database connection that holds the advisory locks was lost: %s", error)
                    await self._lose()
                if self._inside or self._is_awaited():
                    await self._rest()
        finally:
            await self._lose()

    def _is_awaited(self) -> bool:
        return any(not future.done() for queue in self._waiting.values() for future in queue)

    async def _rest(self) -> None:
        """Sleep until a lock is to be tried or released, or the connection has news."""
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
        [row] = await (await self._ask(TRY, wanted)).fetchall()
        if row.in_recovery:
            raise Unavailable("DATABASE_URL leads to a standby; after a failover, it must lead to the new primary")
        for name in row.locked:
            turn = self._inside[name] = Turn(name)
            future = next((each for each in self._waiting[name] if not each.done()), None)
            if future is None:
                self._leave(turn)
            else:
                future.set_result(turn)
        for future in impatient:
            if not future.done():
                future.set_result(None)

    async def _ask(self, statement: str, names: list[str] | None = None) -> psycopg.AsyncCursor[Any]:
        """Run a statement; it fails without an answer in ``ANSWER_WITHIN_S``."""
        assert self._connection is not None  # _look opens it
        with answering(self._connection, ANSWER_WITHIN_S):
            parameters = None if names is None else {"names": names}
            return await self._connection.cursor(row_factory=NAMED).execute(statement, parameters)

    async def _lose(self) -> None:
        """Close the connection, and cancel the bodies of all contexts, once for each lock."""
        connection, self._connection = self._connection, None
        turns = list(self._inside.values())
        self._inside.clear()
        for turn in turns:
            turn.lose()
        if connection is not None:
            await connection.close()


@contextmanager
def _watched(connection: Connection | None, news: Callable[[], None]) -> Iterator[None]:
    """Call ``news`` when an idle connection becomes readable: PostgreSQL then announces that it ends.

    The driver watches the socket only while it waits for an answer.
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
