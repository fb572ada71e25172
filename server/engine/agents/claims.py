"""Claims of agents, their release, and the signs of life of their activations."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from uuid import UUID

from core.batching import Batcher
from core.errors import FlovynError
from server.domain.agent import ClaimedAgent, NewAgent
from server.domain.worker import Category
from server.domain.workflow import PollSlot
from server.engine.dispatch.claims import Claims, age_of
from server.engine.dispatch.receipts import Receipt, unread
from server.engine.dispatch.wakeups import Waker, Wakeups
from server.engine.throttle import Throttle
from server.storage.agents import AgentKey, AgentRepository

SEEN_EVERY_S = 5.0
"""The shortest time between two written signs of life of an agent, in seconds."""

_log = logging.getLogger(__name__)


class AgentClaims(Claims[PollSlot, NewAgent, ClaimedAgent]):
    """The calls of pollers for agents. Workers read the entries of what they got: an unread answer was lost."""

    def __init__(self, storage: AgentRepository, wakeups: Wakeups, wake: Waker, longest_statement: float) -> None:
        super().__init__(
            storage.claim,
            storage.release,
            wakeups,
            wake,
            evidence=unread,
            longest_statement=longest_statement,
            category=Category.AGENT,
        )
        self._storage = storage
        self._signs: Throttle[AgentKey] = Throttle(SEEN_EVERY_S)
        self._seen: Batcher[AgentKey, None] = Batcher(self._write_seen, name="agents_seen")
        self._notes: set[asyncio.Task[None]] = set()

    def seen(self, agent: AgentKey, *, begins: bool = False) -> None:
        """Record in the background that a worker's call has named an agent; never waits and never raises.

        ``begins`` says that it is the first call of an activation, which is always written: an activation without it
        counts as lost.
        """
        self.receipts.confirmed(agent)
        if self._signs.is_due(agent) or begins:
            note = asyncio.create_task(self._note(agent))
            self._notes.add(note)
            note.add_done_callback(self._notes.discard)

    async def release_claims(self, claims: Collection[UUID], age: float) -> set[UUID]:
        """Release claims that are at most ``age`` seconds old; return the ids of the released ones."""
        return self._woken(await self._storage.release_claims(claims, age))

    async def close(self) -> None:
        """Wait until all accepted calls are committed."""
        while self._notes:
            await asyncio.wait(self._notes)
        await self._seen.close()
        await super().close()

    def _kinds(self, slot: PollSlot) -> Collection[str]:
        return slot.kinds

    async def _release_answers(self, receipts: Sequence[Receipt]) -> None:
        released = await self.release_claims([receipt.claim for receipt in receipts], age_of(receipts))
        if released:
            _log.warning(
                "%d agents were released: their workers poll again and have not read the entries", len(released)
            )

    async def _note(self, agent: AgentKey) -> None:
        try:
            await self._seen.submit(agent)
        except FlovynError as error:
            _log.warning("a sign of life of agent %s was not written: %s", agent[1], error)

    async def _write_seen(self, agents: Sequence[AgentKey]) -> Sequence[None]:
        await self._storage.seen(sorted(set(agents)))
        return [None] * len(agents)
