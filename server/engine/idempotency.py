"""Claims idempotency keys inside the transaction that creates what they are to lead to.

    holders = await claim(connection, storage.keys, claims)

returns, per claim, what its key leads to now: the claim's own entity when the key was free, otherwise the one that
has it. Workflows are locked before keys, never after them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from server.domain.idempotency import KeyClaim, KeyHolder
from server.storage.idempotency import Key, KeyRepository

CLEAN_BATCH = 1000


async def claim(
    connection: Any,
    keys: KeyRepository,
    claims: Sequence[KeyClaim],
    *,
    is_taken: Callable[[KeyHolder], bool] = lambda holder: holder.is_live,
) -> list[KeyHolder]:
    """Return what the key of each claim leads to, in order; of claims on one key, the first counts.

    A key is free when it is new or expired, or when what it leads to is gone, failed or was cancelled;
    ``is_taken`` can narrow this.

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
    """Delete all expired keys, a bounded number at a time; return how many there were."""
    count = 0
    while True:
        deleted = await delete(CLEAN_BATCH)
        count += deleted
        if deleted < CLEAN_BATCH:
            return count


def _key(claimed: KeyClaim) -> Key:
    return (claimed.tenant_id, claimed.key.key)
