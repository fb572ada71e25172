"""Queues as REST shows them."""

from __future__ import annotations

from dataclasses import dataclass

from server.domain.worker import Category


@dataclass(frozen=True, slots=True)
class QueueView:
    """A queue that has work of one category.

    Attributes:
        pending: work that waits for a worker, counted up to a bound; ``running``: work that a worker has.
        oldest: seconds for which the oldest pending work has waited; None without any.
        busy_workers: workers that have some of the running work.
        online_workers: online workers that have registered a kind of this work.
    """

    name: str
    category: Category
    pending: int
    oldest: float | None
    running: int
    busy_workers: int
    online_workers: int
