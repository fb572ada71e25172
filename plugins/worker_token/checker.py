"""Decides whether a token admits. Every check of the process goes through the one instance.

The order is what keeps it cheap: the memory, the form of the text, and only then the database, where concurrent checks
of one token are one question and concurrent questions one statement. A source that has failed too often is not refused,
since valid tokens may come from the same address: its tokens are looked up together with those of other such sources,
by a few statements a second.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from core.auth import AuthResponse, Identity, PrincipalType
from core.auth.failure_limit import FailureLimit
from core.batching import Batcher
from core.clock import Clock
from core.errors import AuthError, FlovynError, LimitExceeded
from plugins.worker_token.cache import TRUST_S, Memory, TokenCache
from plugins.worker_token.domain import PREFIX_LENGTH, Rehash, TokenOutcome, WorkerToken
from plugins.worker_token.grammar import TokenGrammar
from plugins.worker_token.hashing import Match, TokenHasher
from plugins.worker_token.outcomes import Outcomes
from plugins.worker_token.repository import WorkerTokenRepository

NOTE_EVERY_S: Final = 60.0
"""How often the use of a token is noted."""

LIMITED_EVERY_S: Final = 0.1
"""How often the database is asked about tokens of sources that have failed too often."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """The row of a prefix in the database when the statement was sent, at ``sent_at``."""

    candidates: Sequence[WorkerToken]
    sent_at: float


@dataclass(frozen=True, slots=True)
class _Flight:
    """A look-up under way."""

    task: asyncio.Task[Memory | TokenOutcome]
    began_at: float
    epoch: int


class TokenChecker:
    """Checks tokens, and gathers what the keeper is to write down about their use."""

    def __init__(
        self,
        grammar: TokenGrammar,
        hasher: TokenHasher,
        repository: WorkerTokenRepository,
        *,
        cache: TokenCache,
        limit: FailureLimit,
        outcomes: Outcomes,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._grammar = grammar
        self._hasher = hasher
        self._repository = repository
        self._cache = cache
        self._limit = limit
        self._outcomes = outcomes
        self._clock = clock
        self._monotonic = monotonic
        self._flights: dict[bytes, _Flight] = {}
        self._lookups: Batcher[str, _Answer] = Batcher(self._ask, name="token_lookups")
        self._limited_lookups: Batcher[str, _Answer] = Batcher(self._ask_later, name="limited_token_lookups")
        self.uses: set[tuple[UUID, UUID]] = set()
        self.rehashes: dict[str, Rehash] = {}
        self.busy = asyncio.Event()

    def is_token(self, text: str) -> bool:
        """Whether the text wants to be a worker token: then it is one, or is refused."""
        return self._grammar.is_token(text)

    async def check(self, token: str, peer: str) -> AuthResponse:
        """Return whom the token admits.

        Raises:
            AuthError: it is not one of ours, revoked, replaced or expired; the text does not say which.
            LimitExceeded: it is not one of ours, and its source has failed too often.
            Unavailable: the database cannot be asked.
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        memory = self._cache.get(digest, self._clock.now())
        if memory is None:
            memory = await self._looked_up(digest, token, peer)
        self._outcomes.admitted()
        if self._monotonic() >= memory.note_at:
            self._note(memory)
        return memory.response

    async def close(self) -> None:
        """Wait until no look-up is under way."""
        await self._lookups.close()
        await self._limited_lookups.close()

    def _note(self, memory: Memory) -> None:
        memory.note_at = self._monotonic() + NOTE_EVERY_S
        self.uses.add((memory.token.tenant_id, memory.token.id))
        self.busy.set()

    async def _looked_up(self, digest: bytes, token: str, peer: str) -> Memory:
        limited = digest not in self._cache and not self._limit.allows(peer)
        if not self._grammar.fits(token):
            raise self._failed(TokenOutcome.MALFORMED, peer, limited=limited)
        lookups = self._limited_lookups if limited else self._lookups
        try:
            found = await asyncio.shield(self._flight(digest, token, lookups).task)
        except FlovynError:
            self._refuse(TokenOutcome.UNAVAILABLE, peer)
            raise
        if isinstance(found, TokenOutcome):
            raise self._failed(found, peer, limited=limited)
        return found

    def _failed(self, outcome: TokenOutcome, peer: str, *, limited: bool) -> FlovynError:
        if limited:
            self._refuse(TokenOutcome.LIMITED, peer)
            return LimitExceeded("too many worker tokens from this address were refused; wait a minute and try again")
        self._limit.count(peer)
        self._refuse(outcome, peer)
        return AuthError("the worker token is not valid")

    def _refuse(self, outcome: TokenOutcome, peer: str) -> None:
        self._outcomes.refused(outcome, peer)
        self.busy.set()

    def _flight(self, digest: bytes, token: str, lookups: Batcher[str, _Answer]) -> _Flight:
        """Return the look-up of the token that is under way, or a new one.

        A look-up that began long ago, or before this process revoked something, may not know what a call that begins
        now has to know; it is not joined.
        """
        flight = self._flights.get(digest)
        at = self._monotonic()
        if flight is None or at - flight.began_at >= TRUST_S or flight.epoch != self._cache.epoch:
            task = asyncio.create_task(self._look_up(digest, token, self._cache.epoch, lookups))
            flight = self._flights[digest] = _Flight(task, at, self._cache.epoch)
            task.add_done_callback(lambda done: self._landed(digest, done))
        return flight

    def _landed(self, digest: bytes, task: asyncio.Task[Memory | TokenOutcome]) -> None:
        if digest in self._flights and self._flights[digest].task is task:
            del self._flights[digest]
        if not task.cancelled():
            task.exception()  # the callers have it; none may be left when all have gone

    async def _look_up(
        self, digest: bytes, token: str, epoch: int, lookups: Batcher[str, _Answer]
    ) -> Memory | TokenOutcome:
        answer = await lookups.submit(token[:PREFIX_LENGTH])
        match = self._hasher.match(token, answer.candidates)
        now = self._clock.now()
        refusal = TokenOutcome.ALTERED if answer.candidates else TokenOutcome.UNKNOWN
        if match is not None:
            refused = match.stored.refusal(match.hash, now)
            if refused is None:
                memory = self._memory(match, answer.sent_at, now)
                self._cache.put(digest, memory, epoch)
                self.busy.set()
                return memory
            refusal = refused
        self._cache.drop(digest)
        return refusal

    def _memory(self, match: Match, sent_at: float, now: datetime) -> Memory:
        stored = match.stored
        if match.hash != match.newest:
            self.rehashes[match.hash] = Rehash(stored.tenant_id, stored.id, match.hash, match.newest)
        identity = Identity(PrincipalType.WORKER, f"worker-token:{stored.id}", stored.tenant_id)
        at = self._monotonic()
        used = stored.last_used_at
        note_in = 0.0 if used is None else max(0.0, NOTE_EVERY_S - (now - used).total_seconds())
        return Memory(
            AuthResponse(identity), stored, stored.valid_until(match.hash), sent_at, at, at + min(note_in, NOTE_EVERY_S)
        )

    async def _ask_later(self, prefixes: Sequence[str]) -> Sequence[_Answer]:
        await asyncio.sleep(LIMITED_EVERY_S)
        return await self._ask(prefixes)

    async def _ask(self, prefixes: Sequence[str]) -> Sequence[_Answer]:
        sent_at = self._monotonic()
        found = await self._repository.by_prefixes(list(dict.fromkeys(prefixes)))
        return [_Answer(found.get(prefix, ()), sent_at) for prefix in prefixes]
