"""Due times: each process remembers when its own timers, promises and cancellations are due.

The process looks for due work at that moment, without a query in between. Each process looks only for its own work; the
leader finds the rest (``server.background.due_watch``).
"""

from __future__ import annotations

import asyncio
import heapq

KEPT = 10_000
"""The number of due times that a process remembers, the nearest ones; the leader finds the others."""


class NextDue:
    """The due times of one kind of work, in one process; at least the nearest ``kept`` are remembered."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._due_times: list[float] = []
        self._nearer = asyncio.Event()

    def expect(self, seconds: float) -> None:
        """Remember that work is due in ``seconds`` seconds; to be called after the commit."""
        at = asyncio.get_running_loop().time() + seconds
        if not self._due_times or at < self._due_times[0]:
            self._nearer.set()
        heapq.heappush(self._due_times, at)
        if len(self._due_times) > 2 * self._kept:
            self._due_times = heapq.nsmallest(self._kept, self._due_times)

    async def wait(self) -> None:
        """Wait for the nearest due time, without a limit if there is none; forget all due times that have passed."""
        loop = asyncio.get_running_loop()
        while not self._due_times or self._due_times[0] > loop.time():
            self._nearer.clear()
            try:
                # not ``wait_for``: in Python 3.11 it can swallow a cancellation
                async with asyncio.timeout_at(self._due_times[0] if self._due_times else None):
                    await self._nearer.wait()
            except TimeoutError:
                break
        now = loop.time()
        while self._due_times and self._due_times[0] <= now:
            heapq.heappop(self._due_times)


class Expected:
    """The due times of a process, by kind of work."""

    def __init__(self) -> None:
        self.timers = NextDue()
        self.promises = NextDue()
        self.cancellations = NextDue()
        self.deadlines = NextDue()
