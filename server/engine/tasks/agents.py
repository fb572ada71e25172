"""The agents of reported tasks: locked with them, and woken when a condition about tasks is met.

Most reports concern no agent, and cost no statement more. The order of locks is agents, then tasks. A batch learns the
agents of its tasks when it has locked the tasks, so that it may lock only those agents that it need not wait for. If an
agent is locked, the batch begins again and locks the agents first.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from core.connection import DatabaseConnection
from server.domain.agent import AgentState, AgentStatus
from server.domain.task import TaskState, TaskStep
from server.storage.agents import AgentKey, AgentRepository, Woken
from server.storage.tasks import TaskKey


class AgentsAreLockedError(Exception):
    """Another transaction has locked an agent of these tasks; the batch must lock its agents before its tasks."""


class AgentsOfTasks:
    """The agents of one batch of reports; ``are_first`` says that they are locked before the tasks."""

    def __init__(self, storage: AgentRepository, *, are_first: bool = False) -> None:
        self._storage = storage
        self._are_first = are_first
        self._states: dict[AgentKey, AgentState] = {}
        self._ended: set[AgentKey] = set()
        self.woken: list[Woken] = []
        """The agents that are PENDING again; to be announced after the commit."""

    async def lock_first(self, connection: DatabaseConnection, tasks: Sequence[TaskKey]) -> None:
        """Lock the agents of tasks, if this is the second attempt."""
        if self._are_first:
            self._states = await self._storage.lock_owners(connection, tasks)

    async def lock(self, connection: DatabaseConnection, tasks: Collection[TaskState]) -> None:
        """Lock the agents of locked tasks, without waiting.

        Raises:
            AgentsAreLockedError: that is not possible.
        """
        agents = {(task.tenant_id, task.agent_execution_id) for task in tasks if task.agent_execution_id is not None}
        if agents and not self._are_first:
            self._states = await self._storage.lock_free(connection, sorted(agents))
            if len(self._states) < len(agents):
                raise AgentsAreLockedError

    def noted(self, step: TaskStep) -> TaskStep:
        """Return the step; that of an agent's task which ends has the claim number of its agent."""
        task = step.state
        if task.agent_execution_id is None or not task.status.is_terminal:
            return step
        agent = self._states.get((task.tenant_id, task.agent_execution_id))
        if agent is None:
            return step
        if agent.status is AgentStatus.WAITING:
            self._ended.add(agent.key)
        return replace(step, ended_in_claim=agent.claim_number)

    async def wake(self, connection: DatabaseConnection) -> None:
        """Make the agents PENDING that wait for no more than these ends, after the steps are written."""
        if self._ended:
            self.woken = await self._storage.wake(connection, self._ended)
