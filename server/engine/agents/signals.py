"""Signals of agents: sent from outside, by children or by parents, and handed out once each."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID, uuid4

from core.errors import AuthzError, LimitExceeded, WrongState
from core.payload import Json
from server.domain.agent import must_be_open
from server.domain.agent_records import AgentSignal, NewSignal, name_pattern
from server.engine.agents.locked import AgentCall, Locked, Wanted
from server.storage.agent_records import SignalQuery
from server.storage.agents import AgentKey

MOST_SIGNALS = 10_000
"""The greatest number of signals of one agent that are not consumed."""

SIGNALS_BY_NAME = 1
"""The number of signals that a call by exact name gets: workers use the first one and drop the rest."""


@dataclass(frozen=True, slots=True)
class SentSignal:
    """A queued signal, and whether it made a WAITING agent PENDING."""

    id: UUID
    resumed: bool


@dataclass(frozen=True)
class SendSignalCall(AgentCall[SentSignal]):
    """Queue a signal at an agent from outside."""

    tenant_id: UUID
    agent_id: UUID
    name: str
    value: Json

    @property
    def size(self) -> int:
        """Return the size of the value."""
        return len(self.value)

    def decide(self, locked: Locked) -> SentSignal:
        """Queue the signal."""
        state = locked.state(self.key)
        if state.status.is_terminal:
            raise WrongState(f"agent {self.agent_id} is {state.status} and accepts no signals")
        return queued(locked, NewSignal(self.tenant_id, self.agent_id, uuid4(), self.name, self.value))


@dataclass(frozen=True)
class SendParentSignalCall(AgentCall[bool]):
    """Queue a signal at the parent of an agent; answers False if the parent has ended."""

    tenant_id: UUID
    agent_id: UUID
    name: str
    value: Json

    locks_parent = True

    @property
    def size(self) -> int:
        """Return the size of the value."""
        return len(self.value)

    def decide(self, locked: Locked) -> bool:
        """Queue the signal at the parent."""
        child = locked.state(self.key)
        if child.parent_id is None:
            raise WrongState(f"agent {self.agent_id} has no parent")
        parent = locked.states.get((self.tenant_id, child.parent_id))
        if parent is None or parent.status.is_terminal:
            return False
        signal = NewSignal(self.tenant_id, parent.id, uuid4(), self.name, self.value, sender_id=self.agent_id)
        queued(locked, signal)
        return True


@dataclass(frozen=True)
class SendChildSignalCall(AgentCall[bool]):
    """Queue a signal at a child of ``parent_id``; answers False if the child has ended."""

    tenant_id: UUID
    agent_id: UUID
    parent_id: UUID
    name: str
    value: Json

    @property
    def more_keys(self) -> Collection[AgentKey]:
        """Return the parent: it must exist."""
        return [(self.tenant_id, self.parent_id)]

    @property
    def size(self) -> int:
        """Return the size of the value."""
        return len(self.value)

    def decide(self, locked: Locked) -> bool:
        """Queue the signal."""
        locked.state((self.tenant_id, self.parent_id))
        child = locked.state(self.key)
        if child.parent_id != self.parent_id:
            raise AuthzError(f"agent execution {child.id} is not a child of the agent execution {self.parent_id}")
        if child.status.is_terminal:
            return False
        queued(locked, NewSignal(self.tenant_id, child.id, uuid4(), self.name, self.value))
        return True


@dataclass(frozen=True)
class ConsumeSignalsCall(AgentCall[list[AgentSignal]]):
    """Hand out signals: the oldest one of a name, or all whose names match a pattern, or all."""

    tenant_id: UUID
    agent_id: UUID
    name: str | None
    pattern: str | None

    def wants(self, locked: Locked) -> Wanted:
        """Return the query; nothing is looked up for an agent without signals."""
        state = locked.states.get(self.key)
        if state is None or not state.signal_count:
            return Wanted()
        return Wanted(signals=self._query)

    @property
    def _query(self) -> SignalQuery:
        if self.pattern is not None:
            return SignalQuery(self.key, MOST_SIGNALS, expression=name_pattern(self.pattern))
        if self.name is not None:
            return SignalQuery(self.key, SIGNALS_BY_NAME, name=self.name)
        return SignalQuery(self.key, MOST_SIGNALS)

    def decide(self, locked: Locked) -> list[AgentSignal]:
        """Hand out the signals that were found."""
        must_be_open(locked.state(self.key), "consume signals")
        found = locked.signals.get(self._query, [])
        locked.consume(self.key, found)
        return found


def queued(locked: Locked, signal: NewSignal) -> SentSignal:
    """Queue a signal at an open agent.

    Raises:
        LimitExceeded: the agent has ``MOST_SIGNALS`` signals that are not consumed.
    """
    if locked.state((signal.tenant_id, signal.agent_id)).signal_count >= MOST_SIGNALS:
        raise LimitExceeded(
            f"agent {signal.agent_id} has {MOST_SIGNALS} signals that are not consumed; send more when it has read some"
        )
    return SentSignal(signal.id, locked.signal(signal))
