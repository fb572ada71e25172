"""Child agents: their creation, and the events about them that a parent asks for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from core.errors import LimitExceeded
from core.payload import NULL, Json, dump
from core.tracing import context_below
from server.domain.agent import AgentState, AgentStatus, NewAgent, must_be_open
from server.domain.agent_records import AgentSignal, ChildFact
from server.engine.agents.activations import check_child, keys_of
from server.engine.agents.locked import AgentCall, Locked, Wanted
from server.storage.agent_records import SignalQuery


@dataclass(frozen=True)
class SpawnChildCall(AgentCall[UUID]):
    """Create a child of an agent; answers its id. ``child`` has the queue and depth of no parent yet."""

    tenant_id: UUID
    agent_id: UUID
    child: NewAgent
    has_queue: bool
    most_children: int
    greatest_depth: int

    @property
    def size(self) -> int:
        """Return the size of the input."""
        return len(self.child.input)

    def wants(self, _locked: Locked) -> Wanted:
        """Return the parent, whose open children are counted."""
        return Wanted(child_count=self.key)

    def decide(self, locked: Locked) -> UUID:
        """Create the child in the queue that the call names, or else in that of the parent."""
        parent = locked.state(self.key)
        must_be_open(parent, "spawn a child")
        self._check_limits(parent, locked.child_counts.get(self.key, 0))
        locked.child_counts[self.key] = locked.child_counts.get(self.key, 0) + 1
        locked.writes.children.append(adopted(self.child, parent, has_queue=self.has_queue))
        return self.child.id

    def _check_limits(self, parent: AgentState, count: int) -> None:
        if parent.depth >= self.greatest_depth:
            raise LimitExceeded(
                f"agent {parent.id} is {parent.depth} levels deep; its children may not spawn deeper ones"
            )
        if count >= self.most_children:
            raise LimitExceeded(f"agent {parent.id} has {count} open children; spawn more when some have ended")


@dataclass(frozen=True, slots=True)
class ChildEvent:
    """An event about a child: its end, or a signal from it."""

    child_id: UUID
    status: AgentStatus | None = None
    output: Json | None = None
    error: str | None = None
    signal: AgentSignal | None = None


@dataclass(frozen=True)
class PollChildEventsCall(AgentCall[list[ChildEvent]]):
    """Ask for events about children.

    If all listed children have ended, the answer is the ends of all. Otherwise it is the oldest signal from one of
    them, which is consumed. Without such a signal, it is the ends so far. If the last suspension waited for all of
    these children, signals stay queued.
    """

    tenant_id: UUID
    agent_id: UUID
    child_ids: tuple[UUID, ...]

    def wants(self, locked: Locked) -> Wanted:
        """Return the children, and the oldest signal from one of them."""
        state = locked.states.get(self.key)
        children = keys_of(self.tenant_id, self.child_ids)
        if state is None or not state.signal_count or set(state.joined_ids or ()) == set(self.child_ids):
            return Wanted(children=children)
        return Wanted(children=children, signals=self._query)

    @property
    def _query(self) -> SignalQuery:
        return SignalQuery(self.key, 1, senders=tuple(sorted(self.child_ids)))

    def decide(self, locked: Locked) -> list[ChildEvent]:
        """Choose the events."""
        locked.state(self.key)
        for child_id in self.child_ids:
            check_child(locked, self.agent_id, child_id)
        facts = [locked.children[child_id] for child_id in dict.fromkeys(self.child_ids)]
        ended = [fact for fact in facts if fact.status.is_terminal]
        signals = locked.signals.get(self._query, [])
        if signals and len(ended) < len(facts):
            locked.consume(self.key, signals)
            return [ChildEvent(signal.sender_id or self.agent_id, signal=signal) for signal in signals]
        return _ends(ended)


def adopted(child: NewAgent, parent: AgentState, *, has_queue: bool) -> NewAgent:
    """Return a child with what it has from its parent."""
    return NewAgent(
        tenant_id=child.tenant_id,
        id=child.id,
        kind=child.kind,
        queue=child.queue if has_queue else parent.queue,
        input=child.input,
        persistence_mode=child.persistence_mode,
        metadata=inherited(child.metadata, parent.metadata),
        parent_id=parent.id,
        depth=parent.depth + 1,
        trace=context_below(parent.trace, parent.id),
    )


def inherited(metadata: Json, of_parent: Json) -> Json:
    """Return the metadata of a child, with the default queue of sessions of its parent."""
    name = "session_default_queue"
    found, parents = json.loads(metadata), json.loads(of_parent)
    if name in parents and name not in found:
        return dump({**found, name: parents[name]})
    return metadata


def _ends(ended: Sequence[ChildFact]) -> list[ChildEvent]:
    """Return the events of ended children, in the order of their ends."""
    ordered = sorted(ended, key=lambda fact: (str(fact.completed_at), fact.id))
    return [_end(fact) for fact in ordered]


def _end(fact: ChildFact) -> ChildEvent:
    if fact.status is AgentStatus.COMPLETED:
        return ChildEvent(fact.id, fact.status, output=fact.output or NULL)
    error = fact.error or "the child failed and reported no error"
    if fact.status is AgentStatus.CANCELLED:
        error = f"Child agent cancelled: {error}"
    return ChildEvent(fact.id, fact.status, error=error)
