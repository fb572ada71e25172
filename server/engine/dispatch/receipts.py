"""Finds answers to polls that were written and not received, by what their workers do afterwards.

A worker that polls on shows that it lives. When it also shows that it did not get its work, the claim is released, long
before the lease is over:

- A workflow execution: workers read its history, or submit to it, at once. Neither has happened within ``GRACE_S``.
- A task: nobody can see a worker work. But its connection has been silent since the answer, for longer than ever, and
  the worker polls over a connection that did not exist then: it has lost the one over which the answer was sent.

Everything else is left to the lease.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from server.domain.worker import WorkerKey
from server.engine.dispatch.connections import Connections, Heard

GRACE_S = 10.0
"""For so long after an answer, nothing is concluded."""

ANSWER_S = 1.0
"""A call that comes later than this after an answer was made by a worker that has the answer, if anybody has it."""

MAX_RECEIPTS = 20_000

UNTOLD_S = 3600.0
"""For how long nothing is concluded about a worker of whose calls others get a part, in seconds."""

Key = tuple[UUID, UUID]
"""Tenant, and workflow execution or task."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """An answer that carried work: to which worker, over which connection (as a holder), at which loop time."""

    key: Key
    claim: UUID
    worker: WorkerKey
    connection: str | None
    at: float


class Receipts:
    """The answers of a process that are not confirmed. ``is_lost`` decides, once the grace is over.

    ``is_lost`` gets a receipt and the connection over which its worker polls now. True means that the work is released,
    False that the receipt is settled, None that it is too early.
    """

    def __init__(self, is_lost: Callable[[Receipt, str | None, float], bool | None]) -> None:
        self._is_lost = is_lost
        self._open: OrderedDict[Key, Receipt] = OrderedDict()
        self._judged: OrderedDict[Key, Receipt] = OrderedDict()
        self._of_worker: dict[WorkerKey, dict[Key, Receipt]] = {}
        self._untold_workers: dict[WorkerKey, float] = {}

    def answered(self, key: Key, claim: UUID, worker: WorkerKey, connection: str | None) -> None:
        """Note that the answer to a poll carries work."""
        now = asyncio.get_running_loop().time()
        if now - self._untold_workers.get(worker, -UNTOLD_S) < UNTOLD_S:
            return
        self.confirmed(key)
        receipt = Receipt(key, claim, worker, connection, now)
        self._open[key] = receipt
        self._of_worker.setdefault(worker, {})[key] = receipt
        if len(self._open) > MAX_RECEIPTS:
            self.confirmed(next(iter(self._open)))

    def confirmed(self, key: Key) -> None:
        """Note that the work has reached a worker, or is not out any more."""
        receipt = self._open.pop(key, None)
        if receipt is not None:
            of_worker = self._of_worker[receipt.worker]
            del of_worker[key]
            if not of_worker:
                del self._of_worker[receipt.worker]

    def read(self, key: Key, reader: str | None) -> None:
        """Note that a caller reads the history: it confirms the answer if its principal is the worker's."""
        receipt = self._open.get(key)
        if receipt is not None and _principal(receipt.connection) == _principal(reader):
            self.confirmed(key)

    def submitted(self, key: Key) -> None:
        """Note a submission. When no history was read before it, nothing can be concluded about the worker."""
        receipt = self._open.get(key) or self._judged.pop(key, None)
        if receipt is not None:
            self.contradicted(receipt.worker)
        self.confirmed(key)

    def polled(self, worker: WorkerKey, connection: str | None) -> list[Receipt]:
        """Note that a worker polls; return the receipts that show by this that their answers were lost."""
        lost: list[Receipt] = []
        now = asyncio.get_running_loop().time()
        while of_worker := self._of_worker.get(worker):
            receipt = next(iter(of_worker.values()))  # the oldest
            verdict = None if now - receipt.at < GRACE_S else self._is_lost(receipt, connection, now)
            if verdict is None:
                break
            self.confirmed(receipt.key)
            if verdict:
                lost.append(receipt)
                self._judged[receipt.key] = receipt
                if len(self._judged) > MAX_RECEIPTS:
                    self._judged.popitem(last=False)
        return lost

    def contradicted(self, worker: WorkerKey) -> None:
        """Note that work which seemed lost was not: this process does not see all calls of the worker."""
        if len(self._untold_workers) >= MAX_RECEIPTS:
            self._untold_workers.clear()
        self._untold_workers[worker] = asyncio.get_running_loop().time()


def _principal(held_by: str | None) -> str:
    return (held_by or "").partition(" ")[2]


def unread(_receipt: Receipt, _connection: str | None, _now: float) -> bool:
    """Return that a workflow execution which nobody has read or submitted to is lost."""
    return True


def abandoned(connections: Connections) -> Callable[[Receipt, str | None, float], bool | None]:
    """Return the rule for tasks."""

    def is_lost(receipt: Receipt, connection: str | None, now: float) -> bool | None:
        if receipt.connection is None or connection is None or connection == receipt.connection:
            return False
        old, new = (connections.get(each.partition(" ")[0]) for each in (receipt.connection, connection))
        if old is None or new is None or old.last > receipt.at + ANSWER_S or new.first <= receipt.at:
            return False
        return True if _is_silent(old, now) else None

    return is_lost


def _is_silent(heard: Heard, now: float) -> bool:
    """Return whether a connection is silent for longer than it ever was: some workers are silent while they work."""
    return now - heard.last > max(GRACE_S, 2 * heard.longest_silence)
