"""Ends claims that may have outlived their activations.

A submission that is ignored may have been the holder's. Its worker has got an answer and does not submit again. Unless
a submission is applied within ``GRACE_S``, the claim ends and the workflow execution is dispatched again, long before
the lease is over. If another worker holds it and needs longer, its activation is carried out twice, and applied once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from core.batching import Returns
from server.storage.workflows import WorkflowKey

GRACE_S = 10.0
"""For so long after the submission that was ignored, its claim stays, in seconds."""

MAX_DOUBTFUL = 10_000
"""Claims beyond this many wait for their lease."""

WorkflowClaim = tuple[WorkflowKey, str]
"""A workflow, and the id of the claim that it is under."""


class DoubtfulClaims:
    """The claims in doubt of one process. ``end`` ends those of them that are still present."""

    def __init__(self, end: Callable[[Sequence[WorkflowClaim]], Awaitable[None]]) -> None:
        self._ends: Returns[WorkflowClaim] = Returns(end)
        self._timers: dict[WorkflowClaim, asyncio.TimerHandle] = {}

    def doubt(self, claim: WorkflowClaim) -> None:
        """End a claim after the grace."""
        if claim not in self._timers and len(self._timers) < MAX_DOUBTFUL:
            self._timers[claim] = asyncio.get_running_loop().call_later(GRACE_S, self._end, claim)

    async def close(self) -> None:
        """End all of them now: no other process knows of them."""
        for timer in self._timers.values():
            timer.cancel()
        self._ends.release(list(self._timers))
        self._timers.clear()
        await self._ends.close()

    def _end(self, claim: WorkflowClaim) -> None:
        del self._timers[claim]
        self._ends.release([claim])
