"""Bodies of workflow executions, their events, signals and cancellations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from core.launchers import DEFAULT_QUEUE
from core.rest_model import Page, PageQuery, Payload, RestModel, Text
from server.domain.audit_event import AuditEvent
from server.domain.cancellation import CancelOutcome
from server.domain.workflow import WorkflowStatus
from server.domain.workflow_view import EventView, WorkflowView
from server.engine.workflows.history_sizes import size_warning
from server.rest_api.fields import empty_object, null, shown

DEFAULT_LIMIT = 20
MAX_NUMBER = 2**31 - 1
Seconds = Annotated[int, Field(ge=-MAX_NUMBER - 1, le=MAX_NUMBER)]


class StartWorkflow(RestModel):
    """A workflow to start."""

    kind: str
    input: Payload = Field(default_factory=empty_object)
    queue: str = DEFAULT_QUEUE
    priority_seconds: Seconds = Field(
        default=0, description="a head start: a workflow with a larger value is claimed sooner"
    )
    version: str | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    idempotency_key: str | None = None
    idempotency_key_ttl: str = Field(default="24h", alias="idempotencyKeyTTL", description="such as 30s, 5m, 2h or 7d")


class Links(RestModel):
    """Paths of the workflow and of its events."""

    self: str
    events: str


class StartedWorkflow(RestModel):
    """A workflow that was started, or the workflow of the idempotency key."""

    workflow_execution_id: UUID
    status: WorkflowStatus
    kind: str
    created_at: datetime
    links: Links
    idempotency_key_used: bool
    idempotency_key_new: bool


class WorkflowBody(RestModel):
    """A workflow."""

    id: UUID
    tenant_id: UUID
    kind: str
    queue: str
    status: WorkflowStatus
    input: Payload
    output: Payload
    error: str | None
    current_sequence: int
    workflow_version: str | None
    parent_workflow_execution_id: UUID | None
    worker_id: str | None
    retry_attempt: int
    priority_seconds: int
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    updated_at: datetime
    metadata: dict[str, str]
    history_bytes: int = Field(description="approximate size of the history on the wire")
    warnings: list[str] = Field(description="conditions that an operator should know, such as a history near its limit")

    @classmethod
    def of(cls, workflow: WorkflowView) -> WorkflowBody:
        """Return the body of a workflow."""
        return cls(
            id=workflow.id,
            tenant_id=workflow.tenant_id,
            kind=workflow.kind,
            queue=workflow.queue,
            status=WorkflowStatus(workflow.status),
            input=shown(workflow.input),
            output=shown(workflow.output),
            error=workflow.error,
            current_sequence=workflow.last_sequence,
            workflow_version=workflow.workflow_version,
            parent_workflow_execution_id=workflow.parent_id,
            worker_id=workflow.worker_id,
            retry_attempt=workflow.retry_count,
            priority_seconds=workflow.priority_ms // 1000,
            created_at=workflow.created_at,
            started_at=workflow.started_at,
            completed_at=workflow.completed_at,
            updated_at=workflow.updated_at,
            metadata=dict(workflow.metadata),
            history_bytes=workflow.history_bytes,
            warnings=[warning] if (warning := size_warning(workflow.history_bytes)) else [],
        )


class WorkflowListQuery(PageQuery):
    """Query of a list of workflows."""

    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=100)
    status: WorkflowStatus | None = None
    kind: Text | None = None
    queue: Text | None = None
    metadata: str | None = Field(
        default=None, description="a JSON object that the metadata of the workflow must contain"
    )


class WorkflowList(Page):
    """A page of workflows."""

    workflows: list[WorkflowBody]


class EventsQuery(RestModel):
    """Query of the events of a workflow."""

    since_sequence: int = Field(default=0, ge=0, le=MAX_NUMBER, description="only events after this number")


class EventBody(RestModel):
    """An event; ``sequenceNumber`` and ``createdAt`` repeat two members for older clients."""

    sequence: int
    sequence_number: int
    event_type: str
    timestamp: datetime
    created_at: datetime
    data: Payload
    superseded: bool = Field(description="a manual retry has replaced it; workers do not see it")

    @classmethod
    def of(cls, event: EventView) -> EventBody:
        """Return the body of an event."""
        return cls(
            sequence=event.sequence,
            sequence_number=event.sequence,
            event_type=event.type,
            timestamp=event.created_at,
            created_at=event.created_at,
            data=shown(event.data),
            superseded=event.superseded,
        )


class Events(RestModel):
    """The history of a workflow in ascending order."""

    events: list[EventBody]


class ChildBody(RestModel):
    """A child of a workflow."""

    child_workflow_execution_id: UUID
    child_execution_name: str
    kind: str
    status: WorkflowStatus
    created_at: datetime

    @classmethod
    def of(cls, workflow: WorkflowView) -> ChildBody:
        """Return the body of a child."""
        return cls(
            child_workflow_execution_id=workflow.id,
            child_execution_name=workflow.child_name or "",
            kind=workflow.kind,
            status=WorkflowStatus(workflow.status),
            created_at=workflow.created_at,
        )


class Children(RestModel):
    """The children of a workflow, oldest first."""

    children: list[ChildBody]


class State(RestModel):
    """The state of a workflow by key."""

    state: dict[str, Payload]


class CancelWorkflow(RestModel):
    """A cancellation."""

    reason: str = "cancelled over REST"
    cascade_to_children: bool = True


class CancelledWorkflow(RestModel):
    """The result of a cancellation; the cancellation of the children may still go on."""

    workflow_execution_id: UUID
    status: CancelOutcome
    cancelled_children: list[UUID]


class AuditEventBody(RestModel):
    """A request about a workflow, such as a manual retry; workers do not see it."""

    id: int
    event_type: str
    timestamp: datetime
    data: Payload

    @classmethod
    def of(cls, event: AuditEvent) -> AuditEventBody:
        """Return the body of an event."""
        return cls(id=event.id, event_type=event.type, timestamp=event.created_at, data=shown(event.data))


class AuditEvents(RestModel):
    """The audit events of a workflow, oldest first."""

    events: list[AuditEventBody]


class RetryWorkflow(RestModel):
    """A manual retry; its note is stored in the audit events of the workflow."""

    note: str | None = None


class RetriedWorkflow(RestModel):
    """A workflow that was retried."""

    workflow_execution_id: UUID
    status: WorkflowStatus = WorkflowStatus.PENDING
    retry_attempt: int
    message: str
    success: bool = True


class SnakeModel(RestModel):
    """A body in snake_case, which answers about signals have; their requests may have either form."""

    model_config = ConfigDict(alias_generator=None)


class SignalWorkflow(RestModel):
    """A signal; ``signal_name`` and ``signal_value`` are accepted, too."""

    signal_name: str
    signal_value: Payload = Field(default_factory=null)


class SignalledWorkflow(SnakeModel):
    """A signal that was delivered."""

    signal_event_sequence: int
    signal_delivered: bool = True


class SignalWithStartBody(RestModel):
    """A signal to the open workflow of a workflow id; a workflow is started where there is none."""

    workflow_id: str
    workflow_kind: str
    workflow_input: Payload = Field(default_factory=empty_object)
    queue: str = DEFAULT_QUEUE
    signal_name: str
    signal_value: Payload = Field(default_factory=null)
    metadata: dict[str, str] = Field(default_factory=dict)


class SignalledWithStart(SnakeModel):
    """A signal that was delivered, and its workflow."""

    workflow_execution_id: UUID
    workflow_created: bool
    signal_event_sequence: int
    signal_delivered: bool = True
