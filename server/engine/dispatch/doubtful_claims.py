"""Doubtful claims: their holders may have submitted, and the submission was ignored.

The worker of an ignored submission got an answer and does not submit again. If no submission is applied within
``GRACE_S``, the claim ends and the workflow execution is dispatched again, long before the lease is over. If another
worker holds it and needs longer, its activation runs twice and is applied once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from core.batching import Returns
from server.storage.workflows import WorkflowKey

GRACE_S = 10.0
"""The time from an ignored submission to the end of its claim, in seconds."""

MAX_DOUBTFUL = 10_000
"""The greatest number of doubtful claims; further ones wait for the end of their lease."""

WorkflowClaim = tuple[WorkflowKey, str]
"""A workflow, and the id of its claim."""


class DoubtfulClaims:
    """The doubtful claims of one process, at most ``most``. ``end`` ends the ones that are still present."""

    def __init__(self, end: Callable[[Sequence[WorkflowClaim]], Awaitable[None]], most: int = MAX_DOUBTFUL) -> None:
        self._most = most
        self._ends: Returns[WorkflowClaim] = Returns(end)
        self._timers: dict[WorkflowClaim, asyncio.TimerHandle] = {}

    def doubt(self, claim: WorkflowClaim) -> None:
        """End a claim after ``GRACE_S``."""
        if claim not in self._timers and len(self._timers) < self._most:
            self._timers[claim] = asyncio.get_running_loop().call_later(GRACE_S, self._end, claim)

    async def close(self) -> None:
        """End all doubtful claims now: no other process knows them."""
        for timer in self._timers.values():
            timer.cancel()
        self._ends.release(list(self._timers))
        self._timers.clear()
        await self._ends.close()

    def _end(self, claim: WorkflowClaim) -> None:
        del self._timers[claim]
        self._ends.release([claim])
