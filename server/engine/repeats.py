"""Repeated calls: calls with an idempotency key, and deletions, have the effect of one call.

The effects of such a call and its answer are one transaction (``core.unit_of_work``). After a lost answer, a killed
server or a commit of unknown outcome, either both are stored or neither is. The whole answer is stored, so that a
repeated call gets the same answer even if the resource has changed since. An answer with a secret is stored without its
content.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from core.auth import Identity
from core.endpoints import LONGEST_KEY
from core.errors import AnswerNotKept, InvalidInput, KeyReused, NotFound, Unavailable
from server.database.pool import Pool
from server.storage.call_answers import CallAnswerRepository, CallHash, KeptAnswer

HEADER = "idempotency-key"
"""The header of a REST request, and the metadata key of a gRPC call."""

REPLAYED = "idempotent-replayed"
"""The header, or the trailing metadata, of a repeated answer; its value is ``true``."""

WAIT_S = 10.0
"""How long a call waits for another call with its key in the same process, in seconds."""

NO_TENANT = UUID(int=0)
"""Stands for the tenant in the hash of a call that concerns none."""


@dataclass(frozen=True, slots=True)
class SentCall:
    """The part of a call that identifies its repetitions.

    Attributes:
        tenant_id: the tenant that the call concerns; None for an operator's call that concerns none.
        identity: the caller. Two callers may use the same key.
        operation: the route or the method. One key may be used once for each.
        key: the idempotency key; empty for a deletion, which is identified by its content.
        content: all other data of the call.
    """

    tenant_id: UUID | None
    identity: Identity
    operation: str
    key: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as its API writes it, the id of its resource, and whether it repeats an earlier answer."""

    content: bytes
    resource_id: str | None = None
    replayed: bool = False


CarryOut = Callable[[], Awaitable[Answer]]


def checked_key(text: str) -> str:
    """Return the key in a header. Quotation marks around it, as in the IETF's draft, are removed.

    Raises:
        InvalidInput: the key is empty, longer than ``LONGEST_KEY`` or not printable ASCII.
    """
    key = text.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not 0 < len(key) <= LONGEST_KEY or not (key.isascii() and key.isprintable()):
        raise InvalidInput(f"{HEADER} must have 1 to {LONGEST_KEY} characters, all of them printable ASCII")
    return key


class Repeats:
    """Runs calls once and stores their answers for ``keep`` seconds."""

    def __init__(self, pool: Pool, keep: float) -> None:
        self._pool = pool
        self._answers = CallAnswerRepository(pool)
        self._keep = keep
        self._turns: dict[CallHash, _Turn] = {}

    async def once(self, call: SentCall, carry_out: CarryOut, *, secret: bool) -> Answer:
        """Return the answer of a call with a key: from ``carry_out``, or the stored answer of an earlier call.

        An error of ``carry_out`` rolls back its effects and is not stored: the call may be sent again.

        Raises:
            KeyReused: the key belongs to a call with another content.
            AnswerNotKept: the call was carried out before, and its answer is ``secret``.
            Unavailable: another call with this key is still running.
        """
        call_hash = _hashed(call, call.key)
        content = hashlib.sha256(call.content).digest()
        async with self._turn(call_hash), self._pool.unit_of_work() as connection:
            # the turn orders the calls of this process, the lock those of all processes
            await self._answers.lock(connection, call_hash)
            kept = await self._answers.find(connection, call_hash)
            if kept is None:
                answer = await carry_out()
                stored = KeptAnswer(content, None if secret else answer.content, answer.resource_id)
                await self._answers.keep(connection, call_hash, stored, self._keep)
                return answer
        return _repeated(call, content, kept)

    async def deleted(self, call: SentCall, carry_out: CarryOut) -> Answer:
        """Run a deletion; if there is nothing to delete, return the stored answer of the caller's earlier deletion.

        A resource that was created again under the same name is deleted again.

        Raises:
            NotFound: there is no such resource, and no stored answer of a deletion by this caller.
        """
        call_hash = _hashed(call, call.content.hex())
        try:
            async with self._pool.unit_of_work() as connection:
                answer = await carry_out()
                stored = KeptAnswer(b"", answer.content, answer.resource_id)
                await self._answers.keep(connection, call_hash, stored, self._keep)
                return answer
        except NotFound:
            async with self._pool.connection() as connection:
                kept = await self._answers.find(connection, call_hash)
            if kept is None or kept.answer is None:
                raise
            return Answer(kept.answer, kept.resource_id, replayed=True)

    async def clean(self, limit: int) -> int:
        """Delete up to ``limit`` expired answers; return their number."""
        return await self._answers.clean(limit)

    @asynccontextmanager
    async def _turn(self, call_hash: CallHash) -> AsyncIterator[None]:
        """Let the calls of one key run one after the other: a waiting call must not hold a connection of the pool."""
        turn = self._turns.setdefault(call_hash, _Turn())
        turn.calls += 1
        try:
            try:
                async with asyncio.timeout(WAIT_S):
                    await turn.lock.acquire()
            except TimeoutError:
                raise Unavailable(f"another call with this {HEADER} is still running; try again") from None
            try:
                yield
            finally:
                turn.lock.release()
        finally:
            turn.calls -= 1
            if not turn.calls:
                del self._turns[call_hash]


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    calls: int = 0


def _hashed(call: SentCall, key: str) -> CallHash:
    """Return the hash of operation, caller and key. The key itself is not stored: keys may be guessable."""
    identity = call.identity
    text = json.dumps([call.operation, identity.principal_type, identity.id, key]).encode()
    return CallHash(call.tenant_id or NO_TENANT, hashlib.sha256(text).digest())


def _repeated(call: SentCall, content: bytes, kept: KeptAnswer) -> Answer:
    if kept.content_hash != content:
        raise KeyReused(
            f"this {HEADER} belongs to an earlier call of {call.operation} with another content;"
            " send the same content again, or choose another key"
        )
    if kept.answer is None:
        resource = f" It was about {kept.resource_id}." if kept.resource_id else ""
        raise AnswerNotKept(
            f"the call of this {HEADER} was carried out, once, and its answer held a secret, which is shown once and"
            f" not stored.{resource} If that answer was lost, replace the secret with a call of another key"
        )
    return Answer(kept.answer, kept.resource_id, replayed=True)
