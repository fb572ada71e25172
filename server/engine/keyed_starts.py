"""Starts of work by calls: one statement per batch, or one transaction together with idempotency keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic
from uuid import UUID

from core.batching import Batcher
from core.connection import DatabaseConnection
from core.errors import FlovynError
from core.launchers import IdempotencyKey, Launched
from server.domain.idempotency import Entity, KeyClaim, KeyHolder, key_conflict
from server.engine.dispatch.direct_dispatch import Claimed, DirectDispatch, New, Reservations
from server.engine.dispatch.wakeups import Waker
from server.engine.idempotency import claim
from server.storage.repositories import Repositories


class KeyedStarts(Generic[New, Claimed]):
    """Starts work of one kind of entity. Concurrent starts are written as one batch.

    Args:
        entity: the kind of entity.
        start: inserts work in a transaction of its own; returns the work that is claimed.
        insert: the same in the transaction of a connection.
        direct_dispatch: reserves parked pollers.
        wake: wakes a poller for work without a reserved one.
    """

    def __init__(
        self,
        entity: Entity,
        storage: Repositories,
        *,
        start: Callable[[Sequence[New]], Awaitable[list[Claimed]]],
        insert: Callable[[DatabaseConnection, Sequence[New]], Awaitable[list[Claimed]]],
        direct_dispatch: DirectDispatch[New, Claimed],
        wake: Waker,
    ) -> None:
        self._entity = entity
        self._storage = storage
        self._write: Callable[[Sequence[New]], Awaitable[list[Claimed]]] = start
        self._insert: Callable[[DatabaseConnection, Sequence[New]], Awaitable[list[Claimed]]] = insert
        self._direct_dispatch: DirectDispatch[New, Claimed] = direct_dispatch
        self._wake = wake
        self._batcher: Batcher[tuple[New, IdempotencyKey | None], Launched] = Batcher(
            self._start_all, weigh=lambda item: len(item[0].input), name=f"{entity.lower()}_starts"
        )

    async def start(self, work: New, key: IdempotencyKey | None) -> Launched:
        """Start work, or find that which its idempotency key leads to; committed when this returns.

        Raises:
            NotFound: the tenant does not exist.
            AlreadyExists: the key leads to another kind of entity.
        """
        return await self._batcher.submit((work, key))

    async def close(self) -> None:
        """Wait until all accepted starts are committed."""
        await self._batcher.close()

    async def _start_all(self, items: Sequence[tuple[New, IdempotencyKey | None]]) -> Sequence[Launched | FlovynError]:
        with self._direct_dispatch.reserving() as pollers:
            if any(key for _, key in items):
                results = await self._start_with_keys(items, pollers)
            else:
                pollers.deliver(await self._write(pollers.assign([work for work, _ in items])))
                results = [Launched(work.id, is_new=True) for work, _ in items]
        for (work, _), result in zip(items, results, strict=True):
            if _is_new(result) and work.id not in pollers.served:
                self._wake((work.tenant_id, work.queue), work.kind)
        return results

    async def _start_with_keys(
        self, items: Sequence[tuple[New, IdempotencyKey | None]], pollers: Reservations[New, Claimed]
    ) -> list[Launched | FlovynError]:
        claims = [KeyClaim(work.tenant_id, key, self._entity, work.id) for work, key in items if key]
        async with self._storage.database.transaction() as connection:
            held = iter(await claim(connection, self._storage.keys, claims))
            results = [self._result(work.id, key, next(held) if key else None) for work, key in items]
            new = [work for (work, _), result in zip(items, results, strict=True) if _is_new(result)]
            claimed = await self._insert(connection, pollers.assign(new)) if new else []
        pollers.deliver(claimed)
        return results

    def _result(self, entity_id: UUID, key: IdempotencyKey | None, holder: KeyHolder | None) -> Launched | FlovynError:
        if key is None or holder is None:
            return Launched(entity_id, is_new=True)
        if holder.entity is not self._entity:
            return key_conflict(key.key, holder)
        return Launched(holder.entity_id, is_new=holder.entity_id == entity_id)


def _is_new(result: Launched | FlovynError) -> bool:
    return isinstance(result, Launched) and result.is_new
