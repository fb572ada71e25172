"""The calls of an activation: checkpoints, suspensions, ends; and the claim of a waiting agent by its id."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from core.errors import AuthzError, NotFound
from core.payload import Json
from server.domain.agent import (
    AgentStatus,
    AgentStep,
    ClaimedAgent,
    Failure,
    Wait,
    completed,
    failed,
    must_be_open,
    suspended,
)
from server.domain.agent_records import NewCheckpoint
from server.domain.claim import Claim
from server.engine.agents.locked import NOTHING, AgentCall, Locked, Wanted, check_task
from server.storage.agents import AgentKey
from server.storage.tasks import TaskKey


@dataclass(frozen=True)
class SubmitCheckpointCall(AgentCall[tuple[UUID, int]]):
    """Store a checkpoint; answers its id and its number. Signals that were consumed before it stay consumed."""

    tenant_id: UUID
    agent_id: UUID
    leaf_entry_id: str | None
    state: Json
    token_usage: Json | None

    @property
    def size(self) -> int:
        """Return the size of the state."""
        return len(self.state)

    def decide(self, locked: Locked) -> tuple[UUID, int]:
        """Number the checkpoint."""
        state = locked.state(self.key)
        must_be_open(state, "take a checkpoint")
        sequence, checkpoint_id = state.checkpoint_seq + 1, uuid4()
        locked.move(AgentStep(replace(state, checkpoint_seq=sequence, has_provisional=False, lost_claims=0)))
        locked.writes.checkpoints.append(
            NewCheckpoint(
                self.tenant_id,
                self.agent_id,
                sequence,
                checkpoint_id,
                self.leaf_entry_id,
                self.state,
                self.token_usage,
            )
        )
        return checkpoint_id, sequence


@dataclass(frozen=True)
class SuspendCall(AgentCall[None]):
    """Suspend an agent until its condition is met; it is PENDING at once if it is met already."""

    tenant_id: UUID
    agent_id: UUID
    wait: Wait

    locks_parent = True  # a CANCELLING agent ends

    @property
    def tasks(self) -> Collection[TaskKey]:
        """Return the tasks of the condition."""
        return keys_of(self.tenant_id, self.wait.ids) if self.wait.kind.concerns_tasks else ()

    def wants(self, _locked: Locked) -> Wanted:
        """Return the children of the condition."""
        return Wanted(children=keys_of(self.tenant_id, self.wait.ids)) if self.wait.kind.concerns_children else NOTHING

    def decide(self, locked: Locked) -> None:
        """Store the condition. The statement that wakes agents evaluates it after all writes of the round."""
        state = locked.state(self.key)
        step = suspended(state, self.wait)
        if step is None:
            return
        if step.state.status is AgentStatus.WAITING:
            self._check_ids(locked)
        locked.move(step)

    def _check_ids(self, locked: Locked) -> None:
        for each in self.wait.ids:
            if self.wait.kind.concerns_tasks:
                owners, key = locked.task_owners, (self.tenant_id, each)
                check_task(each, self.agent_id, owners.get(key), exists=key in owners)
            else:
                check_child(locked, self.agent_id, each)


@dataclass(frozen=True)
class CompleteCall(AgentCall[None]):
    """Complete an agent; an agent that has ended does not change."""

    tenant_id: UUID
    agent_id: UUID
    output: Json

    locks_parent = True

    @property
    def size(self) -> int:
        """Return the size of the output."""
        return len(self.output)

    def decide(self, locked: Locked) -> None:
        """End the agent."""
        step = completed(locked.state(self.key), self.output)
        if step is not None:
            locked.move(step)


@dataclass(frozen=True)
class FailCall(AgentCall[None]):
    """Fail an agent; ``is_unreachable`` says that its worker could not reach the server."""

    tenant_id: UUID
    agent_id: UUID
    failure: Failure
    is_unreachable: bool

    locks_parent = True

    def decide(self, locked: Locked) -> None:
        """End the agent, or its activation."""
        step = failed(locked.state(self.key), self.failure, is_unreachable=self.is_unreachable)
        if step is not None and step.state.status is AgentStatus.PENDING:
            locked.lose(step)
        elif step is not None:
            locked.move(step)


@dataclass(frozen=True)
class ResumeCall(AgentCall[ClaimedAgent | None]):
    """Claim a WAITING agent by its id, whether its condition is met or not; None for any other status."""

    tenant_id: UUID
    agent_id: UUID
    claim: Claim

    def decide(self, locked: Locked) -> None:
        """Claim the agent if it is WAITING."""
        state = locked.state(self.key)
        if state.status is AgentStatus.WAITING and self.key not in locked.writes.resumed:
            locked.writes.resumed[self.key] = self.claim

    def answer(self, _decided: ClaimedAgent | None, locked: Locked) -> ClaimedAgent | None:
        """Return the agent if this call claimed it."""
        agent = locked.resumed.get(self.key)
        return agent if agent is not None and agent.claim_id == self.claim.id else None


def check_child(locked: Locked, parent_id: UUID, child_id: UUID) -> None:
    """Return if the agent is a child of the parent.

    Raises:
        NotFound: there is no such agent.
        AuthzError: it is not a child of this parent.
    """
    fact = locked.children.get(child_id)
    if fact is None:
        raise NotFound(f"there is no agent execution {child_id} in this tenant")
    if fact.parent_id != parent_id:
        raise AuthzError(f"agent execution {child_id} is not a child of the agent execution {parent_id}")


def keys_of(tenant_id: UUID, ids: Collection[UUID]) -> list[AgentKey]:
    """Return the keys of agents of one tenant."""
    return [(tenant_id, each) for each in ids]
