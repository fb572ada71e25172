"""Calls that are carried out once, however often they are sent: those with an idempotency key, and deletions.

What such a call does and its answer are one transaction (``core.unit_of_work``): after a lost answer, a killed server
or a commit of unknown outcome, both are there or neither is. So the answer is stored and not only an id: it is the same
again, whatever became of the thing since. An answer that holds a secret is stored without its content.
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
"""Of a REST request, and the key of the metadata of a gRPC call."""

REPLAYED = "idempotent-replayed"
"""The header, or the trailing metadata, that tells an answer that was given before: its value is ``true``."""

WAIT_S = 10.0
"""How long a call waits, in its process, for another one with its key."""

NO_TENANT = UUID(int=0)


@dataclass(frozen=True, slots=True)
class SentCall:
    """A call as far as it can be sent again.

    Attributes:
        tenant_id: the tenant that it concerns; None for a call of an operator that concerns none.
        identity: who calls. Keys of two callers never meet.
        operation: the route or the method: one key may be used once for each.
        key: the idempotency key; empty for a deletion, which its content identifies.
        content: everything else that was sent.
    """

    tenant_id: UUID | None
    identity: Identity
    operation: str
    key: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as its API writes it, what it is about, and whether it was given before."""

    content: bytes
    resource_id: str | None = None
    replayed: bool = False


CarryOut = Callable[[], Awaitable[Answer]]


def checked_key(text: str) -> str:
    """Return the key of a header; quotation marks around it, as the IETF's draft writes them, do not belong to it.

    Raises:
        InvalidInput: it is empty, longer than ``LONGEST_KEY`` or not printable ASCII.
    """
    key = text.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not 0 < len(key) <= LONGEST_KEY or not (key.isascii() and key.isprintable()):
        raise InvalidInput(f"{HEADER} must have 1 to {LONGEST_KEY} characters, all of them printable ASCII")
    return key


class Repeats:
    """Carries calls out once."""

    def __init__(self, pool: Pool, keep: float) -> None:
        """Take the pool, and for how many seconds answers are stored."""
        self._pool = pool
        self._answers = CallAnswerRepository(pool)
        self._keep = keep
        self._turns: dict[CallHash, _Turn] = {}

    async def once(self, call: SentCall, carry_out: CarryOut, *, secret: bool) -> Answer:
        """Return the answer of a call with a key: that of ``carry_out``, or the stored one of the call before.

        An error of ``carry_out`` undoes what it did, and is not stored: the call may be sent again.

        Raises:
            KeyReused: the key belongs to a call with another content.
            AnswerNotKept: the call was carried out before, and its answer is ``secret``.
            Unavailable: another call with this key is still being carried out.
        """
        which = _hashed(call, call.key)
        content = hashlib.sha256(call.content).digest()
        async with self._turn(which), self._pool.unit_of_work() as connection:
            await self._answers.lock(connection, which)
            kept = await self._answers.find(connection, which)
            if kept is None:
                answer = await carry_out()
                stored = KeptAnswer(content, None if secret else answer.content, answer.resource_id)
                await self._answers.keep(connection, which, stored, self._keep)
                return answer
        return _again(call, content, kept)

    async def deleted(self, call: SentCall, carry_out: CarryOut) -> Answer:
        """Carry a deletion out; where there is nothing, return the answer of the caller's deletion that made it so.

        A thing that was made again under the same name is deleted again.

        Raises:
            NotFound: there is nothing, and the caller has deleted nothing of this name lately.
        """
        which = _hashed(call, call.content.hex())
        try:
            async with self._pool.unit_of_work() as connection:
                answer = await carry_out()
                stored = KeptAnswer(b"", answer.content, answer.resource_id)
                await self._answers.keep(connection, which, stored, self._keep)
                return answer
        except NotFound:
            async with self._pool.connection() as connection:
                kept = await self._answers.find(connection, which)
            if kept is None or kept.answer is None:
                raise
            return Answer(kept.answer, kept.resource_id, replayed=True)

    async def clean(self, limit: int) -> int:
        """Delete up to ``limit`` expired answers; return how many."""
        return await self._answers.clean(limit)

    @asynccontextmanager
    async def _turn(self, which: CallHash) -> AsyncIterator[None]:
        """Let the calls of one key pass one at a time: those that wait must not hold the pool's connections."""
        turn = self._turns.setdefault(which, _Turn())
        turn.calls += 1
        try:
            try:
                async with asyncio.timeout(WAIT_S):
                    await turn.lock.acquire()
            except TimeoutError:
                raise Unavailable(f"another call with this {HEADER} is still being carried out; try again") from None
            try:
                yield
            finally:
                turn.lock.release()
        finally:
            turn.calls -= 1
            if not turn.calls:
                del self._turns[which]


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    calls: int = 0


def _hashed(call: SentCall, key: str) -> CallHash:
    """Return the hash of who calls what with which key; a key may be guessable, so that it is not stored as it is."""
    identity = call.identity
    named = json.dumps([call.operation, identity.principal_type, identity.id, key]).encode()
    return CallHash(call.tenant_id or NO_TENANT, hashlib.sha256(named).digest())


def _again(call: SentCall, content: bytes, kept: KeptAnswer) -> Answer:
    if kept.content_hash != content:
        raise KeyReused(
            f"this {HEADER} belongs to an earlier call of {call.operation} with another content;"
            " send the same content again, or choose another key"
        )
    if kept.answer is None:
        thing = f" It was about {kept.resource_id}." if kept.resource_id else ""
        raise AnswerNotKept(
            f"the call of this {HEADER} was carried out, once, and its answer held a secret, which is shown once and"
            f" not stored.{thing} If that answer was lost, replace the secret with a call of another key"
        )
    return Answer(kept.answer, kept.resource_id, replayed=True)
