"""The connections of a pool: they count their statements, and are cut when the database leaves one unanswered."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any, Self

import psycopg

from server.database.connecting import cut
from server.database.effects import Effect
from server.database.passwords import with_password
from server.database.primaries import Primary, open_connection
from server.observability.database_meter import DatabaseMeter

ANSWER_GRACE_S = 5.0
"""A connection is cut this time after ``statement_timeout`` without an answer: the database itself is stuck."""

YOUNG_S = 1.0
"""A younger connection is kept after an error of the server, which bounds how often the pool connects."""


class Metered(psycopg.AsyncCursor[Any]):
    """A cursor whose statements are counted; the driver calls ``_set_results`` when a result has come."""

    _statement: object = None
    _sent_at = 0.0

    def execute(self, query: Any, *arguments: Any, **more: Any) -> Any:
        """Note the statement and send it."""
        self._statement, self._sent_at = query, time.perf_counter()
        return super().execute(query, *arguments, **more)

    def _set_results(self, results: Any) -> None:
        super()._set_results(results)
        connection: Any = self._conn
        connection.meter.statement(self._statement, time.perf_counter() - self._sent_at)


class Pooled(psycopg.AsyncConnection[tuple[Any, ...]]):
    """A connection of the pool; it is cut when the database leaves a statement unanswered.

    Attributes:
        unreplicated: whether a commit was answered before its synchronous standby had it, which a failover would lose.
    """

    meter: DatabaseMeter | None = None
    """Counts the statements; None counts none."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.effects: list[Effect] = []
        self._opened_at = time.monotonic()
        self._answer_within = 0.0
        self._cancel_after: float | None = None
        self._waits_since: float | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._cancelling: asyncio.Task[None] | None = None
        self._primary: Primary | None = None
        self._timeline = 0
        self.unreplicated = False
        self.add_notice_handler(self._note)

    @classmethod
    async def connect(cls, conninfo: str = "", **arguments: Any) -> Self:
        """Open a connection to the primary among the hosts of an address, or to its only host."""
        connection, primary = await open_connection(super().connect, conninfo, **arguments)
        if primary is not None:
            connection.lead_to(primary)
        return connection

    def lead_to(self, primary: Primary) -> None:
        """Note the primary that it leads to, as it is now."""
        self._primary, self._timeline = primary, primary.timeline

    @property
    def is_left_behind(self) -> bool:
        """Whether a standby has been promoted since, as another connection has found."""
        return self._primary is not None and self._timeline < self._primary.timeline

    def _note(self, notice: psycopg.errors.Diagnostic) -> None:
        """Note that a commit was answered though its standby has not confirmed it: its wait was cancelled."""
        if notice.source_function == "SyncRepWaitForLSN":
            self.unreplicated = True

    @property
    def is_young(self) -> bool:
        """Whether the connection is younger than ``YOUNG_S``."""
        return time.monotonic() - self._opened_at < YOUNG_S

    def give_up_after(self, seconds: float) -> None:
        """Cut the connection when a statement has no answer after ``seconds``; by default, it waits for ever."""
        self._answer_within = seconds

    def cancel_after(self, seconds: float) -> None:
        """Cancel a statement that has no answer after ``seconds``, for sessions that have no ``statement_timeout``."""
        self._cancel_after = seconds

    async def wait(self, *arguments: Any, **more: Any) -> Any:
        """Wait for the database; the driver calls this for every wait on an open connection.

        One timer watches many waits: a timer for each wait would cost as much as the wait itself.
        """
        self._waits_since = time.monotonic()
        if self._watch is None and self._answer_within:
            self._watch_for(self._cancel_after or self._answer_within)
        try:
            return await super().wait(*arguments, **more)
        finally:
            self._waits_since = None

    def _watch_for(self, seconds: float) -> None:
        self._watch = asyncio.get_running_loop().call_later(seconds, self._check_wait)

    def _check_wait(self) -> None:
        """Cancel or cut if the wait has exceeded a limit; check again when the next limit may be exceeded."""
        self._watch = None
        if self._waits_since is None:
            return
        waited = time.monotonic() - self._waits_since
        if waited >= self._answer_within:
            cut(self)
        elif self._cancel_after is not None and waited < self._cancel_after:
            self._watch_for(self._cancel_after - waited)
        else:
            if self._cancel_after is not None and self._cancelling is None:
                self._cancelling = asyncio.create_task(self._cancel(), name="cancel a statement")
            self._watch_for(self._answer_within - waited)

    async def _cancel(self) -> None:
        try:
            with suppress(psycopg.Error):  # the connection is cut then
                await self.cancel_safe(timeout=ANSWER_GRACE_S)
        finally:
            self._cancelling = None


class PooledStandby(Pooled):
    """A connection to whichever server an address names: a standby is never a primary that has to be looked for."""

    @classmethod
    async def connect(cls, conninfo: str = "", **arguments: Any) -> Self:
        """Open a connection."""

        async def opened(**given: Any) -> Self:
            return await super(Pooled, cls).connect(conninfo, **given)

        return await with_password(conninfo, opened, **arguments)
