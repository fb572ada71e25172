"""Cancellation of agents and, after them, of their children; and the end of activations that are lost.

A parent and its children are cancelled in separate transactions. The parent's row says that its children remain to be
cancelled, so that a crash in between loses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from core.batching import Returns
from core.unit_of_work import current
from server.domain.agent import AgentStatus, cancel_asked, reclaimed
from server.domain.cancellation import CancelOutcome
from server.engine.agents.batches import AgentBatches
from server.engine.agents.locked import AgentCall, Locked
from server.storage.agents import AgentKey, AgentRepository

SWEEP_BATCH = 200
"""The number of agents that one transaction of a sweep changes."""

CONTACT_S = 30.0
"""The time from a claim to the first call about its agent, in seconds; without one, the answer to the poll was lost."""

CANCELLING_S = 60.0
"""The time from a cancellation to the end of an agent whose worker does not react, in seconds."""


@dataclass(frozen=True)
class CancelCall(AgentCall[CancelOutcome]):
    """Cancel an agent. One that a worker holds becomes CANCELLING, and ends with the next report of its worker."""

    tenant_id: UUID
    agent_id: UUID
    reason: str
    cascades: bool

    locks_parent = True

    def decide(self, locked: Locked) -> CancelOutcome:
        """Cancel the agent, or ask its worker to stop."""
        state = locked.state(self.key)
        step = cancel_asked(state, self.reason, cascades=self.cascades)
        if step is not None:
            locked.move(step)
            return CancelOutcome(step.state.status.value)
        if state.status is AgentStatus.CANCELLING:
            return CancelOutcome.CANCELLING
        return CancelOutcome.CANCELLED if state.status is AgentStatus.CANCELLED else CancelOutcome.ALREADY_TERMINAL


@dataclass(frozen=True)
class ReclaimCall(AgentCall[bool]):
    """End a lost activation; answers whether the agent changed."""

    tenant_id: UUID
    agent_id: UUID
    claim_number: int
    why: str

    locks_parent = True

    def decide(self, locked: Locked) -> bool:
        """Make the agent PENDING again, or end it."""
        step = reclaimed(locked.state(self.key), self.claim_number, self.why)
        if step is not None:
            locked.lose(step)
            locked.writes.lost += 1
        return step is not None


class AgentCancellation:
    """The calls and sweeps about cancelled agents and lost activations."""

    def __init__(self, agents: AgentRepository, batches: AgentBatches, agent_silence: float) -> None:
        self._agents = agents
        self._batches = batches
        self._agent_silence = agent_silence
        self._cascades: Returns[AgentKey] = Returns(self._cascade)
        # children are locked in later transactions than their parents
        batches.cancelled = self._cascades.release

    async def cancel(self, agent: AgentKey, reason: str, *, cascades: bool) -> CancelOutcome:
        """Cancel an agent and its open children; committed when this returns. A repetition changes nothing.

        Raises:
            NotFound: the tenant has no such agent.
        """
        outcome = await self._batches.submit(CancelCall(*agent, reason, cascades))
        if cascades and outcome is CancelOutcome.CANCELLED and current() is None:
            await self._cascade([agent])
        return outcome

    async def close(self) -> None:
        """Wait until no cancellation of children is under way."""
        await self._cascades.close()

    async def carry_out_cascades(self) -> int:
        """Cancel the open children of cancelled agents; return the number of these agents."""
        count = 0
        while agents := await self._agents.cascading(SWEEP_BATCH):
            await self._cascade(agents)
            count += len(agents)
        return count

    async def reclaim(self, silence: float) -> int:
        """End activations that seem lost; return their number. ``silence``: of worker and agent, in seconds."""
        seconds = {"contact": CONTACT_S, "silence": silence, "agent_silence": self._agent_silence}
        silent = await self._agents.silent(SWEEP_BATCH, cancelling=CANCELLING_S, **seconds)
        await self._batches.carry_out([ReclaimCall(*key, number, why) for key, number, why in silent])
        return len(silent)

    async def _cascade(self, agents: Sequence[AgentKey]) -> None:
        """Cancel the open children of cancelled agents, then their children, and so on."""
        level = list(agents)
        while level:
            children = await self._agents.open_children(level, SWEEP_BATCH)
            await self._batches.carry_out([CancelCall(*child, reason, cascades=True) for _, child, reason in children])
            open_parents = {parent for parent, _, _ in children}
            done = [agent for agent in level if agent not in open_parents]
            if done:
                await self._agents.cascaded(done)
            level = list(dict.fromkeys([*open_parents, *(child for _, child, _ in children)]))
