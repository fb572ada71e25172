"""Shares the event loop of a process among owners, which are tenants, so that the calls of one do not delay another's.

An owner with many callers would fill the event loop and the batches, and a call of another owner would wait behind all
of them. So while several owners have calls, each runs a limited number at a time; further calls wait and cost nothing.
An owner that is alone has no limit, because large batches are faster.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable


class _Running:
    """The calls of one owner that run, and those that wait."""

    __slots__ = ("calls", "waiting")

    def __init__(self) -> None:
        self.calls = 0
        self.waiting: deque[asyncio.Future[None]] = deque()


class FairShare:
    """The running calls of one process by owner; ``share`` is how many calls of an owner run beside those of others."""

    def __init__(self, share: int) -> None:
        self._share = share
        self._owners: dict[Hashable, _Running] = {}

    def enter(self, owner: Hashable) -> asyncio.Future[None] | None:
        """Return None if the call may run now, otherwise a future that is done when it may.

        The caller calls ``leave`` once, when the call has run; or ``abandon``, if it stops waiting before.
        """
        running = self._owners.get(owner)
        if running is None:
            running = self._owners[owner] = _Running()
        if running.calls < self._share or len(self._owners) == 1:
            running.calls += 1
            return None
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        running.waiting.append(turn)
        return turn

    def leave(self, owner: Hashable) -> None:
        """End a call that ran."""
        running = self._owners[owner]
        running.calls -= 1
        self._admit(running)
        if running.calls == 0:
            del self._owners[owner]
            if len(self._owners) == 1:
                for alone in self._owners.values():
                    self._admit(alone)

    def abandon(self, owner: Hashable, turn: asyncio.Future[None]) -> None:
        """Stop waiting: a turn that has come passes to the next call."""
        if turn.done() and not turn.cancelled():
            self.leave(owner)

    def _admit(self, running: _Running) -> None:
        """Let waiting calls run, the oldest first, as far as there is room."""
        while running.waiting and (running.calls < self._share or len(self._owners) == 1):
            turn = running.waiting.popleft()
            if not turn.done():  # a call that was cancelled waits no more
                running.calls += 1
                turn.set_result(None)
