"""Agents: their states, and the pure rules by which calls change them.

An agent starts at its top in each activation: it has no history and no replay. It ends once, and later calls change
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from core.errors import WrongState
from core.payload import Json
from server.domain.claim import Claim

MOST_LOST_CLAIMS = 5
"""An agent whose activations are lost so often in a row, without a checkpoint in between, fails."""

MOST_UNREACHABLE = 3
"""An agent that fails more often in a row because its worker could not reach the server fails for good."""


class AgentStatus(StrEnum):
    """The stored status of an agent."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    CANCELLING = "CANCELLING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_terminal(self) -> bool:
        """Whether the agent has ended."""
        return self in _TERMINAL


_TERMINAL = frozenset({AgentStatus.COMPLETED, AgentStatus.FAILED, AgentStatus.CANCELLED})


class PersistenceMode(StrEnum):
    """The place of an agent's entries and checkpoints. For the server it is a label."""

    REMOTE = "REMOTE"
    LOCAL = "LOCAL"
    EXTERNAL = "EXTERNAL"


class WaitKind(StrEnum):
    """The condition that a suspended agent waits for."""

    SIGNAL = "SIGNAL"
    TASKS_ALL = "TASKS_ALL"
    TASKS_ANY = "TASKS_ANY"
    ANY_CHILD = "ANY_CHILD"
    ALL_CHILDREN = "ALL_CHILDREN"

    @property
    def concerns_tasks(self) -> bool:
        """Whether the condition is about tasks."""
        return self in {WaitKind.TASKS_ALL, WaitKind.TASKS_ANY}

    @property
    def concerns_children(self) -> bool:
        """Whether the condition is about child agents."""
        return self in {WaitKind.ANY_CHILD, WaitKind.ALL_CHILDREN}


@dataclass(frozen=True, slots=True)
class Wait:
    """The condition of a suspension: a signal of a name, or tasks or child agents by their ids, each once."""

    kind: WaitKind
    name: str | None = None
    ids: tuple[UUID, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class NewAgent:
    """An agent to insert; ``claim`` is that of the parked poller that gets it, None for a PENDING agent."""

    tenant_id: UUID
    id: UUID
    kind: str
    queue: str
    input: Json
    persistence_mode: PersistenceMode
    metadata: Json
    parent_id: UUID | None = None
    depth: int = 0
    claim: Claim | None = None
    trace: str | None = None

    @property
    def priority_ms(self) -> int:
        """Return the priority: all agents have the same one."""
        return 0


@dataclass(frozen=True, slots=True)
class ClaimedAgent:
    """A claimed agent, as its worker gets it; ``checkpoint_seq`` is 0 without a checkpoint."""

    tenant_id: UUID
    id: UUID
    kind: str
    queue: str
    input: Json
    persistence_mode: str
    metadata: Json
    parent_id: UUID | None
    checkpoint_seq: int
    created_at: datetime
    claim_id: UUID
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class AgentState:
    """The state of an agent, read under its row lock.

    Attributes:
        claim_number: the number of activations so far.
        wait_kind: the condition of a WAITING agent.
        wait_name: the name of the awaited signal.
        wait_ids: the awaited child agents of a ANY_CHILD, otherwise None.
        joined_ids: the children of the last suspension, if it waited for all of them.
        checkpoint_seq: the number of the newest checkpoint; 0 without one.
        signal_count: the number of signals that are not consumed.
        has_provisional: whether signals were consumed since the last checkpoint or suspension.
        lost_claims: the number of activations that were lost in a row, without a checkpoint in between.
        age: the time since its start, in seconds.
        trace: the stored context of its trace.
    """

    tenant_id: UUID
    id: UUID
    kind: str
    queue: str
    status: AgentStatus
    parent_id: UUID | None
    depth: int
    metadata: Json
    claim_number: int
    wait_kind: WaitKind | None = None
    wait_name: str | None = None
    wait_ids: Sequence[UUID] | None = None
    joined_ids: Sequence[UUID] | None = None
    checkpoint_seq: int = 0
    signal_count: int = 0
    has_provisional: bool = False
    lost_claims: int = 0
    cancel_reason: str | None = None
    cascades: bool = False
    age: float = 0.0
    trace: str | None = None

    @property
    def key(self) -> tuple[UUID, UUID]:
        """Return the tenant and the id."""
        return self.tenant_id, self.id


@dataclass(frozen=True, slots=True)
class AgentStep:
    """A change of an agent: the new state, the condition of a suspension, and the outcome of an end."""

    state: AgentState
    wait: Wait | None = None
    output: Json | None = None
    error: str | None = None
    stack_trace: str | None = None
    failure_type: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """The failure that a worker reports."""

    error: str
    stack_trace: str | None = None
    failure_type: str | None = None


def must_be_open(state: AgentState, action: str) -> None:
    """Return if the agent's code may go on.

    Raises:
        WrongState: the agent has ended, or was cancelled; its worker should stop.
    """
    if state.status in {AgentStatus.CANCELLING, AgentStatus.CANCELLED}:
        raise WrongState(f"agent was cancelled: agent {state.id} cannot {action}; stop working on it")
    if state.status.is_terminal:
        raise WrongState(f"agent {state.id} is {state.status} and cannot {action}")


def suspended(state: AgentState, wait: Wait) -> AgentStep | None:
    """Return the step of a suspension; None if it changes nothing. Whether the condition is met is decided after it.

    Raises:
        WrongState: the agent has ended.
    """
    if state.status.is_terminal:
        raise WrongState(f"agent {state.id} is {state.status} and cannot be suspended")
    if state.status is AgentStatus.PENDING:
        return None  # a repetition: the condition was met
    if state.status is AgentStatus.CANCELLING:
        return cancelled(state)
    joined = wait.ids if wait.kind is WaitKind.ALL_CHILDREN else None
    waiting = replace(
        state,
        status=AgentStatus.WAITING,
        wait_kind=wait.kind,
        wait_name=wait.name,
        wait_ids=wait.ids if wait.kind is WaitKind.ANY_CHILD else None,
        joined_ids=joined,
        has_provisional=False,
        lost_claims=0,
    )
    return AgentStep(waiting, wait=wait)


def woken(state: AgentState) -> AgentState:
    """Return the state of a WAITING agent whose condition is met."""
    return replace(without_wait(state), status=AgentStatus.PENDING)


def without_wait(state: AgentState) -> AgentState:
    """Return the state without a condition."""
    return replace(state, wait_kind=None, wait_name=None, wait_ids=None)


def completed(state: AgentState, output: Json) -> AgentStep | None:
    """Return the step of a completion; None if the agent has ended. A suspended agent may complete, too."""
    if state.status.is_terminal:
        return None
    ended = replace(without_wait(state), status=AgentStatus.COMPLETED, has_provisional=False)
    return AgentStep(ended, output=output)


def failed(state: AgentState, failure: Failure, *, is_unreachable: bool = False) -> AgentStep | None:
    """Return the step of a reported failure; None if the agent has ended.

    ``is_unreachable`` says that the worker could not reach the server: a lost activation, up to ``MOST_UNREACHABLE`` in
    a row.

    Raises:
        WrongState: the agent is suspended or pending. A worker that misses the answer to its suspension takes it for a
            failure; the agent must survive that.
    """
    if state.status.is_terminal:
        return None
    if state.status is AgentStatus.CANCELLING:
        return replace(cancelled(state), stack_trace=failure.stack_trace, failure_type=failure.failure_type)
    if state.status is not AgentStatus.RUNNING:
        raise WrongState(f"agent {state.id} is {state.status}; only a running agent can fail")
    if is_unreachable and state.lost_claims < MOST_UNREACHABLE:
        return AgentStep(_lost(state))
    return AgentStep(
        replace(state, status=AgentStatus.FAILED, has_provisional=False),
        error=failure.error,
        stack_trace=failure.stack_trace,
        failure_type=failure.failure_type,
    )


def cancelled(state: AgentState) -> AgentStep:
    """Return the step that cancels an open agent for good."""
    ended = replace(without_wait(state), status=AgentStatus.CANCELLED, has_provisional=False)
    return AgentStep(ended, error=state.cancel_reason or "cancelled")


def cancel_asked(state: AgentState, reason: str, *, cascades: bool) -> AgentStep | None:
    """Return the step of a cancellation by a caller; None if it changes nothing."""
    if state.status.is_terminal or state.status is AgentStatus.CANCELLING:
        return None
    asked = replace(state, cancel_reason=reason, cascades=cascades)
    if state.status is AgentStatus.RUNNING:
        return AgentStep(replace(asked, status=AgentStatus.CANCELLING))
    return cancelled(asked)


def reclaimed(state: AgentState, claim_number: int, why: str) -> AgentStep | None:
    """Return the step of a lost activation; None if the claim has ended."""
    if state.claim_number != claim_number:
        return None
    if state.status is AgentStatus.CANCELLING:
        return cancelled(state)
    if state.status is not AgentStatus.RUNNING:
        return None
    if state.lost_claims + 1 >= MOST_LOST_CLAIMS:
        error = f"the agent was given up: {why}, {MOST_LOST_CLAIMS} times in a row without a checkpoint"
        return AgentStep(replace(state, status=AgentStatus.FAILED, has_provisional=False), error=error)
    return AgentStep(_lost(state))


def _lost(state: AgentState) -> AgentState:
    return replace(state, status=AgentStatus.PENDING, lost_claims=state.lost_claims + 1)


def is_awaited(state: AgentState, name: str, sender_id: UUID | None) -> bool:
    """Return whether a signal meets the condition of a WAITING agent."""
    if state.status is not AgentStatus.WAITING:
        return False
    if state.wait_kind is WaitKind.SIGNAL:
        return state.wait_name == name
    return state.wait_kind is WaitKind.ANY_CHILD and sender_id is not None and sender_id in (state.wait_ids or ())
