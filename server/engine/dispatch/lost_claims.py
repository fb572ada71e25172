"""Lost claims: claims of unknown outcome, which are looked for in the database and released.

If a database connection breaks after a claim statement was sent, the server does not know whether the claim was
written. No poller gets that work, so that it would wait for the end of its lease. The database may also run the
statement after the connection has broken. So a claim is looked for until its statement can no longer be running.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from uuid import UUID

from core.errors import FlovynError

PAUSES_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses between two searches, in seconds; the last one repeats."""

MAX_LOST = 10_000
"""The greatest number of lost claims; the work of further ones waits for the end of its lease."""

SLACK_S = 5.0
"""Added to the age of a claim, in seconds: the database may have written it before the server read the clock."""

RECENT_S = 60.0
"""The assumed age of a claim whose release failed, in seconds; such claims are younger."""

CLOSE_WITHIN_S = 2.0
"""The time limit of the last search, in seconds."""

_log = logging.getLogger(__name__)

Release = Callable[[Collection[UUID], float], Awaitable[set[UUID]]]
"""Releases the claims that were written, wakes pollers, and returns the ids of the released claims. The second argument
is the age of the oldest claim in seconds."""


class LostClaims:
    """The lost claims of one process, for one category of work; all times are in seconds.

    Args:
        release: releases claims.
        longest_statement: the time after which a claim that was not found is not written any more.
        most: the number of claims that are remembered.
        pauses: the pauses between searches; the last one is repeated.
        close_within: the time limit of the last search.
    """

    def __init__(
        self,
        release: Release,
        longest_statement: float,
        *,
        most: int = MAX_LOST,
        pauses: Sequence[float] = PAUSES_S,
        close_within: float = CLOSE_WITHIN_S,
    ) -> None:
        self._release = release
        self._longest_statement = longest_statement
        self._most = most
        self._pauses = pauses
        self._close_within = close_within
        self._lost: dict[UUID, float] = {}
        self._task: asyncio.Task[None] | None = None

    def find_later(self, claims: Iterable[UUID], since: float) -> None:
        """Look for claims and release them; never waits. ``since`` is the loop's time before they were sent."""
        new = list(claims)
        room = max(self._most - len(self._lost), 0)
        if len(new) > room:
            _log.error("%d claims of unknown outcome are left to their lease", len(new) - room)
        self._lost.update(dict.fromkeys(new[:room], since))
        if self._lost and self._task is None:
            self._task = asyncio.create_task(self._find_all())

    def release_later(self, claims: Iterable[UUID]) -> None:
        """Release claims whose release has just failed; never waits."""
        self.find_later(claims, asyncio.get_running_loop().time() - RECENT_S)

    async def close(self) -> None:
        """Search once more, for up to ``close_within``; claims that are not released then are left to their lease."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._lost:
            try:
                async with asyncio.timeout(self._close_within):
                    await self._find()
            except (FlovynError, TimeoutError) as error:
                _log.warning("%d claims of unknown outcome are left to their lease: %s", len(self._lost), error)

    async def _find_all(self) -> None:
        searches = 0
        try:
            while self._lost:
                try:
                    await self._find()
                except FlovynError as error:
                    _log.warning(
                        "%d claims of unknown outcome cannot be looked for at the moment: %s", len(self._lost), error
                    )
                await asyncio.sleep(self._pauses[min(searches, len(self._pauses) - 1)])
                searches += 1
        finally:
            self._task = None

    async def _find(self) -> None:
        now = asyncio.get_running_loop().time()
        lost = dict(self._lost)  # claims may be added while the database searches
        released = await self._release(lost.keys(), now - min(lost.values()) + SLACK_S)
        if released:
            _log.warning("%d claims of unknown outcome were written; their work is pending again", len(released))
        for claim, since in lost.items():
            if claim in released or now - since > self._longest_statement:
                del self._lost[claim]
