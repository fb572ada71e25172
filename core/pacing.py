"""Expensive synchronous work, such as parsing a large message, in turns: it leaves the event loop to other calls.

A parser in C cannot be interrupted. So at most one piece of such work runs at a time in a process, and after each piece
the event loop belongs to everything else for as long as the piece took. Owners, which are tenants, take turns, so that
one owner cannot keep another one waiting for more than one piece of each.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

SMALL_BYTES = 4096
"""Work on less costs no more than an ordinary call, and never waits."""

CHUNK_BYTES = 64 * 1024
"""Size of the pieces into which larger work should be divided."""

SHORT_S = 0.001
"""A piece that took less is not worth a pause."""


class Turns:
    """The order in which owners do expensive work in one process."""

    def __init__(self) -> None:
        self._busy = False
        self._owed = 0.0
        self._waiting: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()

    async def run(self, owner: Hashable, work: Callable[[], Result]) -> Result:
        """Do ``work`` when it is the owner's turn; return its result, or raise its error."""
        if self._busy:
            await self._wait(owner)
        self._busy = True
        began = time.perf_counter()
        try:
            return _uncollected(work)
        finally:
            self._owed += time.perf_counter() - began
            if self._owed < SHORT_S:
                self._next()
            else:  # also after a series of short pieces, none of which is worth a pause
                asyncio.get_running_loop().call_later(self._owed, self._next)
                self._owed = 0.0

    async def _wait(self, owner: Hashable) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # the turn had come: pass it on
                self._next()
            raise

    def _next(self) -> None:
        """Give the turn to the next owner; an owner that waits for more goes to the end of the line."""
        while self._waiting:
            owner, turns = self._waiting.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._waiting[owner] = turns
            if not turn.done():
                turn.set_result(None)
                return
        self._busy = False


def _uncollected(work: Callable[[], Result]) -> Result:
    """Do ``work`` without the garbage collector.

    A parser makes many objects at once. Each 700 of them would trigger a collection, which finds nothing: for 200 KB of
    nested arrays, the collections took four times as long as the parser.
    """
    if not gc.isenabled():
        return work()
    gc.disable()
    try:
        return work()
    finally:
        gc.enable()


@dataclass(frozen=True, slots=True)
class Pace:
    """The turns of a process, and on whose behalf a call takes them."""

    turns: Turns
    owner: Hashable


PACE: ContextVar[Pace | None] = ContextVar("pace", default=None)
"""Set by the guards for each call; without it, work is done at once."""


async def paced(size: int, work: Callable[[], Result]) -> Result:
    """Do synchronous ``work`` on ``size`` bytes: at once when they are few, otherwise when it is the caller's turn."""
    pace = PACE.get()
    if size <= SMALL_BYTES or pace is None:
        return work()
    return await pace.turns.run(pace.owner, work)


async def paced_groups(
    items: Iterable[Item], size_of: Callable[[Item], int], work: Callable[[list[Item]], Result]
) -> list[Result]:
    """Do synchronous ``work`` on groups of items, each group in the caller's turn; return the result of each group.

    Args:
        items: the items, in order.
        size_of: returns the bytes of an item, which decide how many items make a group of about ``CHUNK_BYTES``.
        work: works on one group.
    """
    results: list[Result] = []
    group: list[Item] = []
    size = 0
    for item in items:
        group.append(item)
        size += size_of(item)
        if size >= CHUNK_BYTES:
            results.append(await paced(size, partial(work, group)))
            group, size = [], 0
    if group:
        results.append(await paced(size, partial(work, group)))
    return results
