"""One transaction for everything that one call writes: it is stored together with the call's answer, or not at all.

Most calls need none: they share their transactions with others of their kind (``core.batching``). A call that is sent
with an idempotency key has one. While a task is inside its unit, the pool lends it the unit's connection, batches are
written alone, and effects outside of the database wait for the commit. Tasks that the call starts are outside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from core.connection import DatabaseConnection


class UnitOfWork:
    """The transaction of the task that makes it, and what is to be done after the commit."""

    def __init__(self, connection: DatabaseConnection) -> None:
        self.connection = connection
        self.owner = asyncio.current_task()
        self._afterwards: list[Callable[[], None]] = []

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Let everything that the task does in the database be a part of the transaction until the context is left."""
        token = _CURRENT.set(self)
        try:
            yield
        finally:
            _CURRENT.reset(token)

    def after_commit(self, effect: Callable[[], None]) -> None:
        """Have an effect when the transaction is committed, and not at all when it is rolled back."""
        self._afterwards.append(effect)

    def committed(self) -> None:
        """Have all effects, in order; to be called outside of the unit."""
        for effect in self._afterwards:
            effect()


_CURRENT: ContextVar[UnitOfWork | None] = ContextVar("unit of work", default=None)


def current() -> UnitOfWork | None:
    """Return the unit that the running task is inside of; None for almost every call.

    A task that was started inside of a unit inherits the variable, but may run longer, or at the same time on the one
    connection: it does not count.
    """
    unit = _CURRENT.get()
    return unit if unit is None or unit.owner is asyncio.current_task() else None


def after_commit(effect: Callable[[], None]) -> None:
    """Have an effect in memory once what the task has written is committed: at once, unless it is inside of a unit."""
    unit = current()
    if unit is None:
        effect()
    else:
        unit.after_commit(effect)
