"""Idempotency keys: claimed inside the transaction that creates their entities.

The order of locks is workflows, then keys. A transaction that locked a key first would deadlock with one that has
locked the key's workflow.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from core.connection import DatabaseConnection
from server.domain.idempotency import KeyClaim, KeyHolder
from server.storage.idempotency import Key, KeyRepository

CLEAN_BATCH = 1000


async def claim(
    connection: DatabaseConnection,
    keys: KeyRepository,
    claims: Sequence[KeyClaim],
    *,
    is_taken: Callable[[KeyHolder], bool] = lambda holder: holder.is_live,
) -> list[KeyHolder]:
    """Return the entity that the key of each claim leads to now: the claim's own if the key was free.

    Of several claims to one key, the first counts. A key is free if it is new or expired, or if its entity was deleted,
    has failed or was cancelled; ``is_taken`` replaces the rule about the entity.

    Raises:
        NotFound: a tenant does not exist.
    """
    first: dict[Key, KeyClaim] = {}
    for each in claims:
        first.setdefault(_key(each), each)
    holders = await keys.claim(connection, first)
    free = {
        key: each
        for key, each in first.items()
        if holders[key].entity_id != each.entity_id and not is_taken(holders[key])
    }
    if free:
        await keys.point(connection, free)
    for key, each in first.items():
        if key in free or holders[key].entity_id == each.entity_id:
            holders[key] = KeyHolder(each.entity, each.entity_id)
    return [holders[_key(each)] for each in claims]


async def clean(delete: Callable[[int], Awaitable[int]]) -> int:
    """Call ``delete``, which gets a limit, until fewer rows are deleted; return the number of deleted rows."""
    count = 0
    while True:
        deleted = await delete(CLEAN_BATCH)
        count += deleted
        if deleted < CLEAN_BATCH:
            return count


def _key(claim: KeyClaim) -> Key:
    return (claim.tenant_id, claim.key.key)
