"""The calls about agents, as one group for the facade of the engine."""

from __future__ import annotations

from typing import Protocol

from server.config.settings import EngineSettings as Limits
from server.engine.agents.batches import AgentBatches
from server.engine.agents.cancellation import SWEEP_BATCH, AgentCancellation
from server.engine.agents.claims import AgentClaims
from server.engine.agents.entries import AgentEntries
from server.engine.agents.locked import unknown_agent
from server.engine.agents.starts import AgentStarts
from server.engine.agents.tasks import AgentTasks
from server.engine.idempotency import clean
from server.engine.schedules.next_due import NextDue
from server.engine.tasks.claims import TaskClaims
from server.engine.tasks.reports import TaskReports
from server.storage.agents import AgentKey
from server.storage.repositories import Repositories


class TaskParts(Protocol):
    """The parts of the calls about tasks that agents need."""

    @property
    def claims(self) -> TaskClaims:
        """Return the claims of tasks."""

    @property
    def reports(self) -> TaskReports:
        """Return the reports on tasks."""


class AgentCalls:
    """The calls about agents."""

    def __init__(
        self,
        storage: Repositories,
        claims: AgentClaims,
        tasks: TaskParts,
        deadlines: NextDue,
        limits: Limits,
    ) -> None:
        self._storage = storage
        self._wake = wake = claims.wake_queue
        self.claims = claims
        self.limits = limits
        self.poll, self.release, self.seen = claims.poll, claims.release, claims.seen
        self._starts = AgentStarts(storage, claims.direct_dispatch, wake)
        self.start = self._starts.start
        self.entries = AgentEntries(storage.agents, storage.agent_records)
        self._batches = AgentBatches(storage, claims, tasks.claims, deadlines)
        self.submit = self._batches.submit
        self.tasks = AgentTasks(storage.agents, storage.agent_records, tasks.reports)
        self.cancellation = AgentCancellation(storage.agents, self._batches, limits.agent_silence)
        self.cancel, self.reclaim = self.cancellation.cancel, self.cancellation.reclaim
        self.carry_out_cascades = self.cancellation.carry_out_cascades

    async def has_signal(self, agent: AgentKey, name: str) -> bool:
        """Return whether a signal of exactly this name waits to be consumed.

        Raises:
            NotFound: the tenant has no such agent.
        """
        found = await self._storage.agent_records.has_signal(agent, name)
        if found is None:
            raise unknown_agent(agent[1])
        return found

    async def wake_forgotten(self) -> int:
        """Wake agents whose tasks an older version of the server has ended; return how many had such tasks."""
        agents = await self._storage.agents.unseen_tasks(SWEEP_BATCH)
        if not agents:
            return 0
        async with self._storage.database.transaction() as connection:
            locked = await self._storage.agents.lock(connection, dict.fromkeys(sorted(agents), False))
            await self._storage.agents.see_tasks(connection, list(locked))
            woken = await self._storage.agents.wake(connection, locked)
        for tenant_id, _, queue, kind in woken:
            self._wake((tenant_id, queue), kind)
        return len(agents)

    async def prune(self, age: float) -> int:
        """Delete the agents that ended more than ``age`` seconds ago; return their number."""
        return await clean(lambda limit: self._storage.agents.prune(age, limit))

    async def close(self) -> None:
        """Wait until all accepted calls are committed."""
        await self._starts.close()
        await self.entries.close()
        await self.cancellation.close()
        await self._batches.close()
        await self.tasks.close()
        await self.claims.close()
