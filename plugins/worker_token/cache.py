"""The cache of admitted tokens of one process, so that a check needs no database.

A memory is worth ``TRUST_S`` from the moment its statement was *sent* to the database, no matter how long the answer
took. So a revocation that is committed reaches every process within that time, whatever else happens: the keeper, which
confirms memories in the background, only keeps them from going stale.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from core.auth import AuthResponse
from plugins.worker_token.domain import WorkerToken

TRUST_S: Final = 1.0
MAX_REMEMBERED: Final = 2_000
"""Tokens; the one that was not used for longest makes room."""


@dataclass(slots=True)
class Memory:
    """An admitted token: the answer to give, and until when.

    Attributes:
        response: what the authenticator answers.
        token: what was stored of it.
        valid_until: when it stops admitting by itself; None is never.
        confirmed_at: when the statement that last found it unchanged was sent (monotonic).
        used_at: when it was last used.
        note_at: from when on a use is to be noted again.
    """

    response: AuthResponse
    token: WorkerToken
    valid_until: datetime | None
    confirmed_at: float
    used_at: float
    note_at: float


class TokenCache:
    """Positive answers alone, by the digest of the token: guessing fills nothing.

    ``keep`` is how many seconds an unused token stays; 0 keeps none.
    """

    def __init__(self, keep: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._keep = keep
        self._trust = min(TRUST_S, keep)
        self._monotonic = monotonic
        self._memories: OrderedDict[bytes, Memory] = OrderedDict()
        self.epoch = 0
        """Changes whenever this process revokes or rotates: answers to older questions are not remembered."""

    def __len__(self) -> int:
        return len(self._memories)

    def __contains__(self, digest: bytes) -> bool:
        """Whether the token was admitted lately, though perhaps too long ago to be trusted."""
        return digest in self._memories

    def get(self, digest: bytes, now: datetime) -> Memory | None:
        """Return the entry of the token that may still be trusted."""
        memory = self._memories.get(digest)
        if memory is None:
            return None
        at = self._monotonic()
        if at - memory.confirmed_at >= self._trust:
            return None
        if memory.valid_until is not None and memory.valid_until <= now:
            return None
        memory.used_at = at
        self._memories.move_to_end(digest)
        return memory

    def put(self, digest: bytes, memory: Memory, epoch: int) -> None:
        """Remember a token, unless this process has revoked or rotated one since the database was asked."""
        if not self._keep or epoch != self.epoch:
            return
        self._memories[digest] = memory
        self._memories.move_to_end(digest)
        if len(self._memories) > MAX_REMEMBERED:
            self._memories.popitem(last=False)

    def drop(self, digest: bytes) -> None:
        """Forget a token that was found to admit no longer."""
        self._memories.pop(digest, None)

    def forget(self, token_id: UUID) -> None:
        """Forget everything of a token that this process has changed."""
        self.epoch += 1
        self._drop_where(lambda memory: memory.token.id == token_id)

    def in_use(self) -> list[Memory]:
        """Remove entries that were not used for long, and return the others."""
        oldest = self._monotonic() - self._keep
        self._drop_where(lambda memory: memory.used_at < oldest)
        return list(self._memories.values())

    def confirm(self, asked: Sequence[Memory], changed: AbstractSet[UUID], at: float) -> None:
        """Apply the answer to a statement sent at ``at``: remove changed entries, trust the others anew."""
        for memory in asked:
            if memory.token.id not in changed:
                memory.confirmed_at = max(memory.confirmed_at, at)
        known = {id(memory) for memory in asked}
        self._drop_where(lambda memory: id(memory) in known and memory.token.id in changed)

    def _drop_where(self, doomed: Callable[[Memory], bool]) -> None:
        for digest in [digest for digest, memory in self._memories.items() if doomed(memory)]:
            del self._memories[digest]
