"""Claims of agents, their release, and the signs of life of their activations."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from contextlib import suppress
from uuid import UUID

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

GATHER_SIGNS_S = 0.5
"""The time for which signs of life gather before they are written, in seconds."""

MOST_SIGNS = 1_000
"""The number of signs of life that one statement writes."""

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
        self._unwritten: dict[AgentKey, float] = {}
        """The loop's times of signs of life that are not written yet."""
        self._writing: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def seen(self, agent: AgentKey, *, begins: bool = False) -> None:
        """Record in the background that a worker's call has named an agent; never waits and never raises.

        ``begins`` says that it is the first call of an activation, which is always written: an activation without it
        counts as lost.
        """
        self.receipts.confirmed(agent)
        if self._signs.is_due(agent) or begins:
            self._unwritten[agent] = asyncio.get_running_loop().time()
            if self._writing is None:
                self._writing = asyncio.create_task(self._write_signs())

    def over(self, agent: AgentKey, called_at: float) -> None:
        """Record that a call at a time of the loop has ended an activation: its sign of life need not be written.

        The next activation may have begun before the call was answered; its sign is a later one, and stays.
        """
        if self._unwritten.get(agent, called_at) < called_at:
            del self._unwritten[agent]

    async def release_claims(self, claims: Collection[UUID], age: float) -> set[UUID]:
        """Release claims that are at most ``age`` seconds old; return the ids of the released ones."""
        return self._woken(await self._storage.release_claims(claims, age))

    async def close(self) -> None:
        """Wait until all accepted calls are committed."""
        await self.write_signs()
        await super().close()

    async def write_signs(self) -> None:
        """Write all signs of life now."""
        self._closing.set()
        if self._writing is not None:
            await asyncio.wait([self._writing])
        self._closing.clear()

    def _kinds(self, slot: PollSlot) -> Collection[str]:
        return slot.kinds

    async def _release_answers(self, receipts: Sequence[Receipt]) -> None:
        released = await self.release_claims([receipt.claim for receipt in receipts], age_of(receipts))
        if released:
            _log.warning(
                "%d agents were released: their workers poll again and have not read the entries", len(released)
            )

    async def _write_signs(self) -> None:
        """Write the signs that gather for a moment: most activations have ended by then, and need none."""
        try:
            while self._unwritten:
                with suppress(TimeoutError):
                    async with asyncio.timeout(GATHER_SIGNS_S):
                        await self._closing.wait()
                batch = sorted(self._unwritten)[:MOST_SIGNS]
                for agent in batch:
                    del self._unwritten[agent]
                await self._write_some(batch)
        finally:
            self._writing = None

    async def _write_some(self, agents: Sequence[AgentKey]) -> None:
        try:
            await self._storage.seen(agents)
        except FlovynError as error:
            _log.warning("the signs of life of %d agents were not written: %s", len(agents), error)
