"""When something is due next, as far as this process knows: lets a scheduler sleep until then and not longer."""

from __future__ import annotations

import asyncio
import math


class NextDue:
    """An alarm that can be set earlier while somebody sleeps until it goes off."""

    def __init__(self) -> None:
        """Expect nothing."""
        self._at = math.inf
        self._earlier = asyncio.Event()

    def expect(self, seconds: float) -> None:
        """Something is due in this many seconds."""
        at = asyncio.get_running_loop().time() + seconds
        if at < self._at:
            self._at = at
            self._earlier.set()

    async def sleep(self, at_most: float) -> None:
        """Sleep until what is expected is due, but not longer than ``at_most`` seconds; then expect nothing."""
        loop = asyncio.get_running_loop()
        end = loop.time() + at_most
        while (left := min(self._at, end) - loop.time()) > 0:
            self._earlier.clear()
            try:
                async with asyncio.timeout(left):  # not wait_for: Python 3.11's can swallow a cancellation
                    await self._earlier.wait()
            except TimeoutError:
                break
        self._at = math.inf


class Alarms:
    """One alarm per scheduler."""

    def __init__(self) -> None:
        """Expect nothing."""
        self.timers = NextDue()
        self.promises = NextDue()
        self.cancellations = NextDue()
