"""Reads from a standby (``database.read_url``) that may be a little behind the primary, by a bound that is known.

Only calls that accept an older state are served from it: they run inside of ``accepting``, which also receives the
bound. It needs no clocks of other machines. The process notes a moment of its own clock, and then asks the primary for
its position in the write-ahead log (WAL). A standby that has replayed the WAL up to this position has everything that
was committed before that moment.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from core.errors import FlovynError, Unavailable
from core.named_queries import named_queries
from core.plugin_services import Database
from core.unit_of_work import current
from server.database.connecting import Connection
from server.database.refusals import StatementTimedOut
from server.database.rows import NAMED, SCALAR

CHECK_EVERY_S = 1.0
"""While calls read from the standby, its position is asked for at most this often."""

CHECK_WITHIN_S = 0.5
"""A call waits no longer for a check, and then reads from the primary."""

AVOID_S = 5.0
"""After a failure, no call tries the standby for this time."""

WARN_EVERY_S = 60.0
"""A standby that is about as far behind as the limit is not reported each time that it passes it."""

MOST_MARKS = 64
"""Positions of the primary that are remembered; one a second, so that a standby may be a minute behind."""

_SQL = named_queries(__package__, "standby.sql")
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Acceptance:
    """The age of the data that a call accepts, and the age of what it has read.

    Attributes:
        most: the greatest accepted age, in seconds.
        age: an upper bound of the age of what was read from the standby, in seconds; None if nothing was.
    """

    most: float = math.inf
    age: float | None = None


_ACCEPTED: ContextVar[Acceptance | None] = ContextVar("accepted age", default=None)


@contextmanager
def accepting(most: float = math.inf) -> Iterator[Acceptance]:
    """Let the reads of the running call come from the standby, if they are at most ``most`` seconds old."""
    acceptance = Acceptance(most)
    token = _ACCEPTED.set(acceptance)
    try:
        yield acceptance
    finally:
        _ACCEPTED.reset(token)


@dataclass(frozen=True, slots=True)
class _Mark:
    moment: float
    position: int


class StandbyReads:
    """Implements ``core.plugin_services.Database`` for lists and histories: on the standby if it is not too far behind.

    Calls outside of ``accepting``, and those inside of a unit of work, use the primary.
    """

    def __init__(self, primary: Database, standby: Database, longest_age: float) -> None:
        self._primary = primary
        self._standby = standby
        self._longest_age = longest_age
        self._marks: deque[_Mark] = deque(maxlen=MOST_MARKS)
        self._current_at = -math.inf
        """The moment of which the standby has everything that was committed before it."""
        self._checking: asyncio.Task[None] | None = None
        self._checked_at = -math.inf
        self._avoided_until = -math.inf
        self._is_used = True
        self._warned: tuple[str, float] = ("", -math.inf)
        self._is_sibling = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection; see ``core.plugin_services.Database``."""
        async with self._lent("connection") as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction; see ``core.plugin_services.Database``."""
        async with self._lent("transaction") as connection:
            yield connection

    async def close(self) -> None:
        """End a check that is under way."""
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.wait([self._checking])

    @asynccontextmanager
    async def _lent(self, how: str) -> AsyncIterator[Connection]:
        acceptance = None if current() is not None else _ACCEPTED.get()
        age = None if acceptance is None else await self._age(min(acceptance.most, self._longest_age))
        is_lent = False
        if acceptance is not None and age is not None:
            try:
                async with getattr(self._standby, how)() as connection:
                    is_lent, acceptance.age = True, max(age, acceptance.age or 0.0)
                    yield connection
            except StatementTimedOut:  # a search that is too broad says nothing about the standby
                raise
            except Unavailable as error:
                self._avoid(str(error))
                if is_lent:  # the caller is told to try again, and reads from the primary then
                    raise
        if not is_lent:
            async with getattr(self._primary, how)() as connection:
                yield connection

    async def _age(self, most: float) -> float | None:
        """Return an upper bound of the standby's age in seconds; None if it is above ``most`` or unknown."""
        now = time.monotonic()
        if most <= 0 or now < self._avoided_until:
            return None
        if now - max(self._checked_at, self._current_at) >= min(CHECK_EVERY_S, most / 2):
            checking = self._check_once(now)
            if now - self._current_at > most:
                await asyncio.wait([checking], timeout=CHECK_WITHIN_S)
        age = time.monotonic() - self._current_at
        if self._avoided_until > now or self._current_at == -math.inf:
            return None
        self._note(f"it is more than {self._longest_age:g} s behind" if age > self._longest_age else None)
        return age if age <= most else None

    def _check_once(self, now: float) -> asyncio.Task[None]:
        """Return the check that is under way, or begin one."""
        if self._checking is None:
            self._checked_at = now
            self._checking = asyncio.create_task(self._check(), name="check the standby")
        return self._checking

    async def _check(self) -> None:
        try:
            async with asyncio.timeout(AVOID_S):
                await self._look()
        except TimeoutError:
            self._avoid("it does not answer")
        except FlovynError as error:
            self._avoid(str(error))
        finally:
            self._checking = None

    async def _look(self) -> None:
        moment = time.monotonic()
        async with self._primary.connection() as connection:
            [row] = await (await connection.cursor(row_factory=NAMED).execute(_SQL["primary"])).fetchall()
        self._marks.append(_Mark(moment, row.position))
        async with self._standby.connection() as connection:
            if not self._is_sibling:
                [system] = await (await connection.cursor(row_factory=SCALAR).execute(_SQL["system"])).fetchall()
                if system != row.system:
                    raise Unavailable("database.read_url leads to a database of another cluster than DATABASE_URL")
                self._is_sibling = True
            [position] = await (await connection.cursor(row_factory=SCALAR).execute(_SQL["standby"])).fetchall()
        if position is None:
            self._is_sibling = False
            raise Unavailable("database.read_url leads to a server that is not a standby")
        while self._marks and self._marks[0].position <= position:
            self._current_at = self._marks.popleft().moment

    def _avoid(self, reason: str) -> None:
        self._avoided_until = time.monotonic() + AVOID_S
        self._current_at = -math.inf
        self._is_sibling = False
        self._note(reason)

    def _note(self, reason: str | None) -> None:
        """Log a change: lists are read from the primary for a reason, or again from the standby."""
        if reason is None:
            if not self._is_used:
                _log.info("lists and histories are read from the standby again")
            self._is_used = True
        elif self._is_used:
            last, moment = self._warned
            if reason != last or time.monotonic() - moment >= WARN_EVERY_S:
                _log.warning("lists and histories are read from the primary, not from the standby: %s", reason)
                self._is_used, self._warned = False, (reason, time.monotonic())
