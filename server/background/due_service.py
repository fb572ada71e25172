"""Does work that becomes due: timers, time-outs of promises. Every process of every server does so; they share it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from server.engine.next_due import NextDue

LONGEST_PAUSE_S = 0.5
"""What another process made due is found at the latest after this time."""

SHORTEST_PAUSE_S = 0.005
"""What is due but busy is tried again after this time."""


class DueService:
    """Does what is due, then sleeps until something is due again. See ``core.service.Service``."""

    def __init__(self, name: str, do_due: Callable[[], Awaitable[tuple[int, float | None]]], next_due: NextDue) -> None:
        """Take a name, what does a batch of due work (and tells how much, and when more is due), and the alarm."""
        self.name = name
        self._do_due = do_due
        self._next_due = next_due

    async def run(self) -> None:
        """Work until cancelled; what became due while the server was down is done at once."""
        while True:
            done, due_in = await self._do_due()
            if done and due_in is not None and due_in <= 0:
                continue
            pause = LONGEST_PAUSE_S if due_in is None else min(max(due_in, SHORTEST_PAUSE_S), LONGEST_PAUSE_S)
            await self._next_due.sleep(pause)
