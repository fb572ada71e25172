"""Settles promises: from outside, and when their time is over. The first settlement wins, under the workflow's lock."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from core.batching import Batcher
from core.errors import FlovynError, NotFound
from server.domain.delivery import Delivery
from server.domain.promise import TIMED_OUT, PromiseRef, Settlement, Verdict, settled_event
from server.engine.workflows.deliveries import Deliveries
from server.storage.promises import StoredPromise
from server.storage.repositories import Repositories

BATCH = 500


class Promises:
    """The engine's calls about promises that have been created."""

    def __init__(self, storage: Repositories, deliveries: Deliveries) -> None:
        """Take the storage, and what takes events into runs."""
        self._storage = storage
        self._deliveries = deliveries
        self._settlements: Batcher[tuple[PromiseRef, Verdict], tuple[UUID, bool]] = Batcher(
            self._settle_all, weigh=lambda item: len(item[1].value or "")
        )

    async def settle(self, ref: PromiseRef, verdict: Verdict) -> tuple[UUID, bool]:
        """Settle a promise; return its id, and whether it has this verdict now, by this call or one before.

        It has another one when it was settled otherwise before, or its workflow ended first.

        Raises:
            NotFound: the tenant has no such promise.
        """
        return await self._settlements.submit((ref, verdict))

    async def expire_due(self) -> tuple[int, bool]:
        """Let a batch of overdue promises run out; return how many, and whether more are overdue now.

        Workflows that somebody else has locked are left out: they are busy, or another server is at it.
        """
        async with self._storage.database.transaction() as connection:
            due = await self._storage.promises.due(connection, BATCH)
            if not due:
                return 0, False
            states = await self._storage.workflows.lock_free(connection, due)
            expired = await self._storage.promises.expire(connection, list(states)) if states else []
            events = [_delivery(promise, TIMED_OUT) for promise in expired]
            delivered = await self._deliveries.append(connection, states, events)
        self._deliveries.wake(delivered)
        return len(expired), len(states) < len(due) or len(expired) >= BATCH

    async def close(self) -> None:
        """Wait for everything that was accepted to be committed."""
        await self._settlements.close()

    async def _settle_all(
        self, items: Sequence[tuple[PromiseRef, Verdict]]
    ) -> Sequence[tuple[UUID, bool] | FlovynError]:
        async with self._storage.database.transaction() as connection:
            found = await self._storage.promises.find(connection, [ref for ref, _ in items])
            workflows = {(ref.tenant_id, place[1]) for (ref, _), place in zip(items, found, strict=True) if place}
            if not workflows:
                return [_unknown() for _ in items]
            states = await self._storage.workflows.lock(connection, list(workflows))
            first: dict[UUID, int] = {}
            for index, place in enumerate(found):
                if place is not None:
                    first.setdefault(place[0], index)
            verdicts = {promise_id: items[index] for promise_id, index in first.items()}
            settled = await self._storage.promises.settle(
                connection, [Settlement(ref.tenant_id, each, verdict) for each, (ref, verdict) in verdicts.items()]
            )
            events = [_delivery(promise, verdicts[promise.id][1]) for promise in settled]
            delivered = await self._deliveries.append(connection, states, events)
            has = {promise.id: verdicts[promise.id][1] for promise in settled}
            others = [(ref.tenant_id, each) for each, (ref, _) in verdicts.items() if each not in has]
            if others:
                has |= await self._storage.promises.verdicts(connection, others)
        self._deliveries.wake(delivered)
        return [
            (place[0], has.get(place[0]) == verdict) if place else _unknown()
            for (_, verdict), place in zip(items, found, strict=True)
        ]


def _delivery(promise: StoredPromise, verdict: Verdict) -> Delivery:
    return Delivery(promise.tenant_id, promise.workflow_id, settled_event(promise.id, promise.name, verdict))


def _unknown() -> NotFound:
    return NotFound("there is no such promise in this tenant")
