"""The agents that one batch of calls has locked: their states, facts that were looked up, and pending writes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar
from uuid import UUID

from core.errors import AuthzError, NotFound
from server.domain.agent import AgentState, AgentStatus, AgentStep, ClaimedAgent, NewAgent, woken
from server.domain.agent import is_awaited as meets_condition
from server.domain.agent_records import AgentSignal, ChildFact, NewCheckpoint, NewSignal
from server.domain.claim import Claim
from server.domain.task import NewTask
from server.storage.agent_records import SignalQuery
from server.storage.agents import AgentKey
from server.storage.tasks import TaskKey

Answer = TypeVar("Answer")


@dataclass(slots=True)
class AgentWrites:
    """All that one round of calls writes, in the order of writing."""

    steps: dict[AgentKey, AgentStep] = field(default_factory=dict)
    checkpoints: list[NewCheckpoint] = field(default_factory=list)
    signals: list[NewSignal] = field(default_factory=list)
    consumed: list[tuple[AgentKey, int]] = field(default_factory=list)
    kept: set[AgentKey] = field(default_factory=set)
    undone: set[AgentKey] = field(default_factory=set)
    tasks: list[NewTask] = field(default_factory=list)
    children: list[NewAgent] = field(default_factory=list)
    without_tasks: set[AgentKey] = field(default_factory=set)
    """Cancelled agents, whose open tasks are cancelled."""
    resumed: dict[AgentKey, Claim] = field(default_factory=dict)
    lost: int = 0
    """The number of activations that a sweep ended."""
    to_wake: set[AgentKey] = field(default_factory=set)
    """Agents whose conditions may be met now."""


class Locked:
    """The locked agents, and what the calls of the present round do with them."""

    def __init__(self, states: dict[AgentKey, AgentState]) -> None:
        self.states = states
        self.writes = AgentWrites()
        self.task_owners: dict[TaskKey, UUID | None] = {}
        self.children: dict[UUID, ChildFact] = {}
        self.child_counts: dict[AgentKey, int] = {}
        self.signals: dict[SignalQuery, list[AgentSignal]] = {}
        self.resumed: dict[AgentKey, ClaimedAgent] = {}

    def state(self, key: AgentKey) -> AgentState:
        """Return the state of an agent.

        Raises:
            NotFound: the tenant has no such agent.
        """
        state = self.states.get(key)
        if state is None:
            raise unknown_agent(key[1])
        return state

    def move(self, step: AgentStep) -> None:
        """Change the state of an agent; its end cancels or tells all that depends on it."""
        key = step.state.key
        before, previous = self.states[key], self.writes.steps.get(key)
        if step.wait is None and previous is not None and step.state.status is AgentStatus.WAITING:
            step = replace(step, wait=previous.wait)
        self.states[key] = step.state
        self.writes.steps[key] = step
        if before.has_provisional and not step.state.has_provisional:
            self.writes.kept.add(key)
        if step.wait is not None:
            self.writes.to_wake.add(key)
        if step.state.status.is_terminal:
            self._ended(step.state)

    def lose(self, step: AgentStep) -> None:
        """Change the state of an agent whose activation was lost: the signals that it consumed are open again."""
        lost = step.state
        if lost.has_provisional:
            lost = replace(lost, has_provisional=False)
        self.move(replace(step, state=lost))
        self.writes.kept.discard(lost.key)
        self.writes.undone.add(lost.key)

    def signal(self, signal: NewSignal) -> bool:
        """Queue a signal at an open agent; return whether it makes a WAITING agent PENDING."""
        state = self.state((signal.tenant_id, signal.agent_id))
        resumes = meets_condition(state, signal.name, signal.sender_id)
        state = replace(state, signal_count=state.signal_count + 1)
        self.move(AgentStep(woken(state) if resumes else state))
        self.writes.signals.append(signal)
        return resumes

    def consume(self, key: AgentKey, signals: Sequence[AgentSignal]) -> None:
        """Hand out signals of an agent; its next checkpoint or suspension makes that final."""
        if signals:
            state = self.state(key)
            self.move(AgentStep(replace(state, signal_count=state.signal_count - len(signals), has_provisional=True)))
            self.writes.consumed += [(key, signal.number) for signal in signals]

    def _ended(self, state: AgentState) -> None:
        if state.status is AgentStatus.CANCELLED:
            self.writes.without_tasks.add(state.key)
        if state.parent_id is not None:
            self.writes.to_wake.add((state.tenant_id, state.parent_id))


@dataclass(frozen=True, slots=True)
class Wanted:
    """The facts that a call needs before it is decided."""

    children: Collection[AgentKey] = ()
    child_count: AgentKey | None = None
    signals: SignalQuery | None = None


NOTHING = Wanted()


class AgentCall(ABC, Generic[Answer]):
    """A call on an agent, decided under the lock of the agent."""

    tenant_id: UUID
    agent_id: UUID

    locks_parent = False
    """Whether the call may end the agent, or concerns its parent: the parent is then locked with it."""

    @property
    def key(self) -> AgentKey:
        """Return the agent."""
        return self.tenant_id, self.agent_id

    @property
    def more_keys(self) -> Collection[AgentKey]:
        """Return the other agents to lock."""
        return ()

    @property
    def size(self) -> int:
        """Return about how many bytes the call writes."""
        return 0

    @property
    def tasks(self) -> Collection[TaskKey]:
        """Return the tasks whose owners the call must know: asked for together with the locks."""
        return ()

    def wants(self, _locked: Locked) -> Wanted:
        """Return the facts to look up, given the locked states."""
        return NOTHING

    @abstractmethod
    def decide(self, locked: Locked) -> Answer:
        """Change the state, note what to write, and return the answer; an error leaves everything as it is."""

    def answer(self, decided: Answer, _locked: Locked) -> Answer:
        """Return the answer after the writes."""
        return decided


def unknown_agent(agent_id: UUID) -> NotFound:
    """Return the error for an agent that the tenant does not have."""
    return NotFound(f"there is no agent execution {agent_id} in this tenant")


def check_task(task_id: UUID, agent_id: UUID, owner: UUID | None, *, exists: bool) -> None:
    """Return if the task is one of the agent.

    Raises:
        NotFound: there is no such task.
        AuthzError: the task belongs to something else.
    """
    if not exists:
        raise NotFound(f"there is no task {task_id} in this tenant")
    if owner != agent_id:
        raise AuthzError(f"task {task_id} does not belong to the agent execution {agent_id}")
