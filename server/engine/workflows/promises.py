"""Settlement of promises: by callers and by timeouts. The first settlement counts, under the workflow's row lock."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from core.batching import Batcher
from core.errors import FlovynError, NotFound
from server.domain.delivery import Delivery
from server.domain.promise import TIMED_OUT, PromiseOutcome, PromiseRef, Settlement, settled_event
from server.engine.workflows.deliveries import Deliveries
from server.storage.promises import StoredPromise
from server.storage.repositories import Repositories

BATCH = 500
"""The number of overdue promises in one transaction."""


class Promises:
    """The calls about promises. Commands of workflows create them."""

    def __init__(self, storage: Repositories, deliveries: Deliveries) -> None:
        self._storage = storage
        self._deliveries = deliveries
        self._settlements: Batcher[tuple[PromiseRef, PromiseOutcome], tuple[UUID, bool]] = Batcher(
            self._settle_all, weigh=lambda item: len(item[1].value or ""), name="promise_settlements"
        )

    async def settle(self, ref: PromiseRef, outcome: PromiseOutcome) -> tuple[UUID, bool]:
        """Settle a promise; return its id, and whether it has this outcome now, by this call or an earlier one.

        It has another outcome if it was settled before with another one, or if its workflow has ended.

        Raises:
            NotFound: the tenant has no such promise.
        """
        return await self._settlements.submit((ref, outcome))

    async def expire_due(self) -> tuple[int, bool]:
        """Settle a batch of overdue promises with TIMEOUT; return their number, and whether more are overdue.

        Workflows that another transaction has locked are skipped: they are busy, or another process settles their
        promises. So no process waits for a lock here.
        """
        async with self._deliveries.dispatching() as dispatch, self._storage.database.transaction() as connection:
            due = await self._storage.promises.due(connection, BATCH)
            if not due:
                return 0, False
            states = await self._storage.workflows.lock_free(connection, due)
            expired = await self._storage.promises.expire(connection, list(states)) if states else []
            events = [_delivery(promise, TIMED_OUT) for promise in expired]
            await dispatch.append(connection, states, events)
        return len(expired), len(states) < len(due) or len(expired) >= BATCH

    async def close(self) -> None:
        """Wait until all accepted settlements are committed."""
        await self._settlements.close()

    async def _settle_all(
        self, items: Sequence[tuple[PromiseRef, PromiseOutcome]]
    ) -> Sequence[tuple[UUID, bool] | FlovynError]:
        async with self._deliveries.dispatching() as dispatch, self._storage.database.transaction() as connection:
            places = await self._storage.promises.find(connection, [ref for ref, _ in items])
            workflows = {(ref.tenant_id, place[1]) for (ref, _), place in zip(items, places, strict=True) if place}
            if not workflows:
                return [_unknown() for _ in items]
            states = await self._storage.workflows.lock(connection, list(workflows))
            first: dict[UUID, int] = {}
            for index, place in enumerate(places):
                if place is not None:
                    first.setdefault(place[0], index)
            outcomes = {promise_id: items[index] for promise_id, index in first.items()}
            settled = await self._storage.promises.settle(
                connection, [Settlement(ref.tenant_id, each, outcome) for each, (ref, outcome) in outcomes.items()]
            )
            events = [_delivery(promise, outcomes[promise.id][1]) for promise in settled]
            await dispatch.append(connection, states, events)
            has = {promise.id: outcomes[promise.id][1] for promise in settled}
            others = [(ref.tenant_id, each) for each, (ref, _) in outcomes.items() if each not in has]
            if others:
                has |= await self._storage.promises.outcomes(connection, others)
        return [
            (place[0], has.get(place[0]) == outcome) if place else _unknown()
            for (_, outcome), place in zip(items, places, strict=True)
        ]


def _delivery(promise: StoredPromise, outcome: PromiseOutcome) -> Delivery:
    return Delivery(promise.tenant_id, promise.workflow_id, settled_event(promise.id, promise.name, outcome))


def _unknown() -> NotFound:
    return NotFound("there is no such promise in this tenant")
