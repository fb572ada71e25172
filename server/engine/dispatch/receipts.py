"""Receipts: answers to polls whose delivery is not confirmed. Lost answers are found by later calls of their workers.

A worker that polls again is alive. If its calls also show that it did not get its work, the claim is released long
before the lease is over:

- Workflow executions: a worker reads the history, or submits, at once. It did neither within ``GRACE_S``.
- Tasks: a worker need not call while it works. But the connection of the answer has been silent since, for longer than
  ever before, and the worker polls over a connection that did not exist then: it has lost the old one.

In all other cases the lease ends the claim.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from server.domain.worker import WorkerKey
from server.engine.dispatch.connections import CallTimes, ConnectionActivity

GRACE_S = 10.0
"""No answer counts as lost within this time, in seconds."""

ANSWER_S = 1.0
"""A call later than this after an answer, in seconds, shows that the connection still works."""

MAX_RECEIPTS = 20_000

UNJUDGED_S = 3600.0
"""For this time, in seconds, no answer to a worker counts as lost after other processes got a part of its calls."""

Key = tuple[UUID, UUID]
"""Tenant, and workflow execution or task."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """An answer that carried work: the worker, its connection (as a holder), and the loop's time of the answer."""

    key: Key
    claim: UUID
    worker: WorkerKey
    connection: str | None
    at: float


Evidence = Callable[[Receipt, str | None, float], bool | None]
"""Judges an answer when the grace is over. The arguments are the receipt, the connection of the worker's present poll,
and the loop's time. True: the work is to be released. False: the receipt is to be forgotten. None: it is too early."""


class Receipts:
    """The unconfirmed answers of one process, judged by ``is_lost``; at most ``most`` of them are remembered."""

    def __init__(self, is_lost: Evidence, most: int = MAX_RECEIPTS) -> None:
        self._is_lost = is_lost
        self._most = most
        self._open: OrderedDict[Key, Receipt] = OrderedDict()
        self._judged: OrderedDict[Key, Receipt] = OrderedDict()
        self._of_worker: dict[WorkerKey, dict[Key, Receipt]] = {}
        self._unjudged: dict[WorkerKey, float] = {}

    def answered(self, key: Key, claim: UUID, worker: WorkerKey, connection: str | None) -> None:
        """Record that the answer to a poll carries work."""
        now = asyncio.get_running_loop().time()
        if now - self._unjudged.get(worker, -UNJUDGED_S) < UNJUDGED_S:
            return
        self.confirmed(key)
        receipt = Receipt(key, claim, worker, connection, now)
        self._open[key] = receipt
        self._of_worker.setdefault(worker, {})[key] = receipt
        if len(self._open) > self._most:
            self.confirmed(next(iter(self._open)))

    def confirmed(self, key: Key) -> None:
        """Record that the work has reached a worker, or that its claim is over."""
        receipt = self._open.pop(key, None)
        if receipt is not None:
            of_worker = self._of_worker[receipt.worker]
            del of_worker[key]
            if not of_worker:
                del self._of_worker[receipt.worker]

    def read(self, key: Key, reader: str | None) -> None:
        """Record that a caller reads the history, which confirms the answer if its principal is the worker's."""
        receipt = self._open.get(key)
        if receipt is not None and _principal(receipt.connection) == _principal(reader):
            self.confirmed(key)

    def submitted(self, key: Key) -> None:
        """Record a submission. If no history was read before it, no answer to this worker is judged any more."""
        receipt = self._open.get(key) or self._judged.pop(key, None)
        if receipt is not None:
            self.contradicted(receipt.worker)
        self.confirmed(key)

    def polled(self, worker: WorkerKey, connection: str | None) -> list[Receipt]:
        """Record that a worker polls; return the receipts whose answers were lost."""
        lost: list[Receipt] = []
        now = asyncio.get_running_loop().time()
        while of_worker := self._of_worker.get(worker):
            receipt = next(iter(of_worker.values()))  # the oldest
            is_lost = None if now - receipt.at < GRACE_S else self._is_lost(receipt, connection, now)
            if is_lost is None:
                break
            self.confirmed(receipt.key)
            if is_lost:
                lost.append(receipt)
                self._judged[receipt.key] = receipt
                if len(self._judged) > self._most:
                    self._judged.popitem(last=False)
        return lost

    def contradicted(self, worker: WorkerKey) -> None:
        """Record that an answer was wrongly judged as lost: this process does not see all calls of the worker."""
        if len(self._unjudged) >= self._most:
            self._unjudged.clear()
        self._unjudged[worker] = asyncio.get_running_loop().time()


def _principal(held_by: str | None) -> str:
    return (held_by or "").partition(" ")[2]


def unread(_receipt: Receipt, _connection: str | None, _now: float) -> bool:
    """Return True: after the grace, a workflow execution without a reader or a submission is lost."""
    return True


def abandoned(connections: ConnectionActivity) -> Evidence:
    """Return the rule for tasks, which judges by the call times of connections."""

    def is_lost(receipt: Receipt, connection: str | None, now: float) -> bool | None:
        if receipt.connection is None or connection is None or connection == receipt.connection:
            return False
        old, new = (connections.get(each.partition(" ")[0]) for each in (receipt.connection, connection))
        if old is None or new is None or old.last > receipt.at + ANSWER_S or new.first <= receipt.at:
            return False
        return True if _is_silent(old, now) else None

    return is_lost


def _is_silent(times: CallTimes, now: float) -> bool:
    """Return whether a connection is silent for far longer than ever: some workers make no calls while they work."""
    return now - times.last > max(GRACE_S, 2 * times.longest_silence)
