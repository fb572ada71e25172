"""Bodies of agents, their checkpoints, entries, signals and tasks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field

from core.launchers import DEFAULT_QUEUE
from core.limits import MAX_LIMIT
from core.paging import CursorPage, CursorQuery
from core.rest_model import Payload, RestModel, Text
from server.domain.agent import AgentStatus, PersistenceMode
from server.domain.agent_records import Checkpoint, Entry
from server.domain.agent_view import AgentView, SignalView
from server.domain.cancellation import CancelOutcome
from server.domain.task_view import TaskView
from server.rest_api.fields import empty_object, null, shown
from server.rest_api.resources.task_models import TaskBody

NO_CHECKPOINT = -1


class CreateAgent(RestModel):
    """An agent to start."""

    kind: str
    input: Payload = Field(default_factory=null)
    queue: str = DEFAULT_QUEUE
    persistence_mode: str = Field(default="REMOTE", description="REMOTE or LOCAL, in any case")
    metadata: Payload = Field(default_factory=empty_object, description="a JSON object")
    idempotency_key: str | None = None
    idempotency_key_ttl: str = Field(default="24h", alias="idempotencyKeyTTL", description="such as 30s, 5m, 2h or 7d")


class WaitingFor(RestModel):
    """The condition of a suspended agent."""

    kind: str
    signal_name: str | None
    ids: list[UUID]
    reason: str | None


class AgentBody(RestModel):
    """An agent."""

    id: UUID
    org_id: UUID
    tenant_id: UUID
    kind: str
    status: AgentStatus
    input: Payload
    output: Payload
    error: str | None
    failure_type: str | None
    stack_trace: str | None
    queue: str
    current_checkpoint_seq: int = Field(description="-1 without a checkpoint")
    persistence_mode: PersistenceMode
    parent_execution_id: UUID | None
    metadata: Payload
    worker_id: str | None
    waiting_for: WaitingFor | None
    open_signals: int = Field(description="signals that are not consumed")
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    updated_at: datetime

    @classmethod
    def of(cls, agent: AgentView) -> AgentBody:
        """Return the body of an agent."""
        return cls(
            id=agent.id,
            org_id=agent.tenant_id,
            tenant_id=agent.tenant_id,
            kind=agent.kind,
            status=AgentStatus(agent.status),
            input=shown(agent.input),
            output=shown(agent.output),
            error=agent.error,
            failure_type=agent.failure_type,
            stack_trace=agent.stack_trace,
            queue=agent.queue,
            current_checkpoint_seq=agent.checkpoint_seq or NO_CHECKPOINT,
            persistence_mode=PersistenceMode(agent.persistence_mode),
            parent_execution_id=agent.parent_id,
            metadata=shown(agent.metadata),
            worker_id=agent.worker_id,
            waiting_for=_waiting_for(agent),
            open_signals=agent.signal_count,
            created_at=agent.created_at,
            started_at=agent.started_at,
            completed_at=agent.completed_at,
            updated_at=agent.updated_at,
        )


def _waiting_for(agent: AgentView) -> WaitingFor | None:
    if agent.wait_kind is None:
        return None
    return WaitingFor(
        kind=agent.wait_kind, signal_name=agent.wait_name, ids=agent.wait_ids or [], reason=agent.wait_reason
    )


class StartedAgent(AgentBody):
    """An agent that was started, or the agent of the idempotency key."""

    idempotency_key_used: bool
    idempotency_key_new: bool


class AgentListQuery(CursorQuery):
    """Query of a list of agents."""

    status: AgentStatus | None = None
    kind: Text | None = None
    queue: Text | None = None
    parent_id: UUID | None = None
    metadata: str | None = Field(default=None, description='a JSON object that must be contained, such as {"team":"a"}')


class AgentList(CursorPage):
    """A page of agents."""

    agent_executions: list[AgentBody]


class AgentChildren(RestModel):
    """The children of an agent, oldest first."""

    children: list[AgentBody]


class SignalAgent(RestModel):
    """A signal; ``signal_name`` and ``signal_value`` are accepted, too."""

    signal_name: str
    signal_value: Payload = Field(default_factory=null)


class SignalledAgent(RestModel):
    """A signal that was queued; ``agentResumed`` says that the agent was waiting for it."""

    signaled: bool = True
    agent_resumed: bool
    signal_id: UUID


class SignalBody(RestModel):
    """A signal of an agent."""

    id: UUID
    signal_name: str
    signal_value: Payload
    sender_execution_id: UUID | None = Field(description="the child agent that sent it")
    created_at: datetime
    consumed_at: datetime | None

    @classmethod
    def of(cls, signal: SignalView) -> SignalBody:
        """Return the body of a signal."""
        return cls(
            id=signal.id,
            signal_name=signal.name,
            signal_value=shown(signal.value),
            sender_execution_id=signal.sender_id,
            created_at=signal.created_at,
            consumed_at=signal.consumed_at,
        )


class AgentSignals(RestModel):
    """The signals of an agent, oldest first."""

    signals: list[SignalBody]


class CheckpointBody(RestModel):
    """A checkpoint."""

    id: UUID
    agent_execution_id: UUID
    sequence: int
    state: Payload
    leaf_entry_id: str | None
    created_at: datetime

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> CheckpointBody:
        """Return the body of a checkpoint."""
        return cls(
            id=checkpoint.id,
            agent_execution_id=checkpoint.agent_execution_id,
            sequence=checkpoint.sequence,
            state=shown(checkpoint.state),
            leaf_entry_id=checkpoint.leaf_entry_id,
            created_at=checkpoint.created_at,
        )


class AgentCheckpoints(RestModel):
    """The checkpoints of an agent in ascending order."""

    checkpoints: list[CheckpointBody]


class EntriesQuery(RestModel):
    """Query of the entries of an agent."""

    after: UUID | None = None
    limit: Annotated[int, Field(ge=1), AfterValidator(lambda limit: min(limit, MAX_LIMIT))] = MAX_LIMIT


class EntryBody(RestModel):
    """An entry of a conversation."""

    id: UUID
    parent_id: UUID | None
    entry_type: str
    role: str | None
    content: Payload
    turn_id: str | None
    token_usage: Payload
    created_at: datetime

    @classmethod
    def of(cls, entry: Entry) -> EntryBody:
        """Return the body of an entry."""
        return cls(
            id=entry.id,
            parent_id=entry.parent_id,
            entry_type=entry.entry_type,
            role=entry.role,
            content=shown(entry.content),
            turn_id=entry.turn_id,
            token_usage=shown(entry.token_usage),
            created_at=entry.created_at,
        )


class EntryPage(RestModel):
    """A page of entries in the order of their arrival; ``after`` its last entry comes the next page."""

    entries: list[EntryBody]


class AgentTaskBody(TaskBody):
    """A task of an agent."""

    agent_execution_id: UUID | None

    @classmethod
    def of_agent(cls, task: TaskView) -> AgentTaskBody:
        """Return the body of a task."""
        members: dict[str, Any] = {name: getattr(task, name) for name in cls.model_fields}
        return cls(**{**members, "input": shown(task.input), "output": shown(task.output)})


class AgentTaskList(RestModel):
    """The tasks of an agent, oldest first."""

    tasks: list[AgentTaskBody]


class CancelAgent(RestModel):
    """A cancellation."""

    reason: str = "cancelled over REST"
    cascade_to_children: bool = True


class CancelledAgent(RestModel):
    """The result of a cancellation; CANCELLING means that a worker still holds the agent."""

    agent_execution_id: UUID
    status: CancelOutcome
