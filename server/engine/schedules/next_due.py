"""When something is due that this process itself has made: it then looks at once, so that nobody has to be told.

What other processes made is theirs to look for. The leader looks for all that is left: see
``server.background.due_watch``.
"""

from __future__ import annotations

import asyncio
import heapq

KEPT = 10_000
"""How many moments are remembered, the nearest ones; the leader finds what is due at the others."""


class NextDue:
    """The moments at which a process expects something to be due, of one kind."""

    def __init__(self) -> None:
        """Expect nothing."""
        self._moments: list[float] = []
        self._nearer = asyncio.Event()

    def expect(self, seconds: float) -> None:
        """Remember that something is due in ``seconds`` seconds; to be called after the commit."""
        at = asyncio.get_running_loop().time() + seconds
        if not self._moments or at < self._moments[0]:
            self._nearer.set()
        heapq.heappush(self._moments, at)
        if len(self._moments) > 2 * KEPT:
            self._moments = heapq.nsmallest(KEPT, self._moments)

    async def wait(self) -> None:
        """Wait until the nearest of the moments, for ever without any; forget it and all that have passed by then."""
        loop = asyncio.get_running_loop()
        while not self._moments or self._moments[0] > loop.time():
            self._nearer.clear()
            try:
                # not wait_for: Python 3.11's can swallow a cancellation
                async with asyncio.timeout_at(self._moments[0] if self._moments else None):
                    await self._nearer.wait()
            except TimeoutError:
                break
        now = loop.time()
        while self._moments and self._moments[0] <= now:
            heapq.heappop(self._moments)


class Expected:
    """What a process expects to be due, by kind."""

    def __init__(self) -> None:
        """Expect nothing."""
        self.timers = NextDue()
        self.promises = NextDue()
        self.cancellations = NextDue()
