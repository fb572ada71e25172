"""Finds claims again of which the server does not know whether they were written, and releases them.

A database connection that breaks after a claim was sent leaves its outcome unknown. No poller gets that work, so it
would stay out until its lease is over. The database may also carry the statement out after the connection has broken: a
claim is looked for until no statement can still be under way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from uuid import UUID

from core.errors import FlovynError

PAUSES_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses between looks; the last one repeats."""

MAX_LOST = 10_000
"""Claims beyond this many wait for their lease."""

SLACK_S = 5.0
"""Added to the age of a claim: a statement may begin before the server measures."""

RECENT_S = 60.0
"""A claim that is released is younger than this, in seconds."""

CLOSE_WITHIN_S = 2.0

_log = logging.getLogger(__name__)

Release = Callable[[Collection[UUID], float], Awaitable[set[UUID]]]
"""Releases those of the claims that were written, and wakes pollers. Gets the age of the oldest claim in seconds, and
returns the claims that it found."""


class LostClaims:
    """The claims of unknown outcome of one process, for one category of work."""

    def __init__(self, release: Release, longest_statement: float) -> None:
        self._release = release
        self._longest_statement = longest_statement
        self._lost: dict[UUID, float] = {}
        self._task: asyncio.Task[None] | None = None

    def look_for(self, claims: Iterable[UUID], since: float) -> None:
        """Release claims soon, should they have been written; ``since`` is the loop's time before they were sent."""
        wanted = list(claims)
        room = max(MAX_LOST - len(self._lost), 0)
        if len(wanted) > room:
            _log.error("%d claims of unknown outcome are left to their lease", len(wanted) - room)
        self._lost.update(dict.fromkeys(wanted[:room], since))
        if self._lost and self._task is None:
            self._task = asyncio.create_task(self._look_again())

    def look_for_recent(self, claims: Iterable[UUID]) -> None:
        """Release claims soon that were written lately and that the database did not let go of now."""
        self.look_for(claims, asyncio.get_running_loop().time() - RECENT_S)

    async def close(self) -> None:
        """Look once more, in bounded time; what is not found by then is left to its lease."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._lost:
            try:
                async with asyncio.timeout(CLOSE_WITHIN_S):
                    await self._look()
            except (FlovynError, TimeoutError) as error:
                _log.warning("%d claims of unknown outcome are left to their lease: %s", len(self._lost), error)

    async def _look_again(self) -> None:
        looks = 0
        try:
            while self._lost:
                try:
                    await self._look()
                except FlovynError as error:
                    _log.warning("%d claims of unknown outcome cannot be looked for yet: %s", len(self._lost), error)
                await asyncio.sleep(PAUSES_S[min(looks, len(PAUSES_S) - 1)])
                looks += 1
        finally:
            self._task = None

    async def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        looked_for = dict(self._lost)
        found = await self._release(looked_for.keys(), now - min(looked_for.values()) + SLACK_S)
        if found:
            _log.warning("%d claims of unknown outcome were written; their work is pending again", len(found))
        for claim, since in looked_for.items():
            if claim in found or now - since > self._longest_statement:
                del self._lost[claim]
