"""Bodies of workflow executions, their events, signals and cancellations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field

from core.launchers import DEFAULT_QUEUE
from core.paging import MAX_CURSOR, CursorPage, CursorQuery
from core.payload import Json
from core.rest_model import Moment, Payload, RestModel, Text
from server.domain.audit_event import AuditEvent
from server.domain.cancellation import CancelOutcome
from server.domain.workflow import WorkflowStatus
from server.domain.workflow_event import EventType
from server.domain.workflow_view import EventFilter, EventView, WorkflowFilter, WorkflowSummary, WorkflowView
from server.engine.workflows.history_sizes import size_warning
from server.rest_api.fields import empty_object, null, shown
from server.rest_api.list_fields import IdPrefix, Several, View, ids_from

DEFAULT_LIMIT = 20
MAX_NUMBER = 2**31 - 1
MAX_EVENTS = 1000
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


class WorkflowSummaryBody(RestModel):
    """A workflow without its input and output."""

    id: UUID
    tenant_id: UUID
    kind: str
    queue: str
    status: WorkflowStatus
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
    def of_summary(cls, workflow: WorkflowSummary) -> WorkflowSummaryBody:
        """Return the body of a summary."""
        return WorkflowSummaryBody(**_members(workflow))


class WorkflowBody(WorkflowSummaryBody):
    """A workflow."""

    input: Payload
    output: Payload

    @classmethod
    def of(cls, workflow: WorkflowView) -> WorkflowBody:
        """Return the body of a workflow."""
        return cls(**_members(workflow), input=shown(workflow.input), output=shown(workflow.output))


def _members(workflow: WorkflowSummary) -> dict[str, Any]:
    return {
        "id": workflow.id,
        "tenant_id": workflow.tenant_id,
        "kind": workflow.kind,
        "queue": workflow.queue,
        "status": WorkflowStatus(workflow.status),
        "error": workflow.error,
        "current_sequence": workflow.last_sequence,
        "workflow_version": workflow.workflow_version,
        "parent_workflow_execution_id": workflow.parent_id,
        "worker_id": workflow.worker_id,
        "retry_attempt": workflow.retry_count,
        "priority_seconds": workflow.priority_ms // 1000,
        "created_at": workflow.created_at,
        "started_at": workflow.started_at,
        "completed_at": workflow.completed_at,
        "updated_at": workflow.updated_at,
        "metadata": dict(workflow.metadata),
        "history_bytes": workflow.history_bytes,
        "warnings": [warning] if (warning := size_warning(workflow.history_bytes)) else [],
    }


class WorkflowConditions(RestModel):
    """Conditions of workflows. All that are set must hold."""

    status: Annotated[list[WorkflowStatus], Several] | None = Field(
        None, description="one or several, as FAILED,CANCELLED"
    )
    kind: Text | None = None
    queue: Text | None = None
    created_from: Moment | None = Field(None, description="created at or after this time")
    created_to: Moment | None = Field(None, description="created before this time")
    ended_from: Moment | None = Field(None, description="ended at or after this time")
    ended_to: Moment | None = Field(None, description="ended before this time")
    id_prefix: IdPrefix | None = None
    parent_id: UUID | None = Field(None, description="the children of this workflow")
    root_id: UUID | None = Field(None, description="this workflow and all its descendants")
    worker_id: Text | None = Field(None, description="the worker that had the workflow last")
    metadata: str | None = Field(
        default=None, description="a JSON object that the metadata of the workflow must contain"
    )
    metadata_key: Text | None = Field(None, description="a key that the metadata must have, with any value")
    error: Text | None = Field(None, description="words of the error, in any order")
    failing_tasks: bool = Field(default=False, description="true: an open task failed in its last attempt")

    def wanted(self, tenant_id: UUID, metadata: Json | None) -> WorkflowFilter:
        """Return the filter; ``metadata`` is the one of the query, checked."""
        ids = (None, None) if self.id_prefix is None else ids_from(self.id_prefix)
        return WorkflowFilter(
            tenant_id,
            statuses=None if self.status is None else tuple(dict.fromkeys(self.status)),
            kind=self.kind,
            queue=self.queue,
            created_from=self.created_from,
            created_to=self.created_to,
            ended_from=self.ended_from,
            ended_to=self.ended_to,
            first_id=ids[0],
            last_id=ids[1],
            parent_id=self.parent_id,
            root_id=self.root_id,
            worker_id=self.worker_id,
            metadata=metadata,
            metadata_key=self.metadata_key,
            error=self.error,
            failing_tasks=self.failing_tasks or None,
        )


class WorkflowListQuery(CursorQuery, WorkflowConditions):
    """Query of a list of workflows. All conditions that are set must hold."""

    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=100)
    view: View = Field(default=View.FULL, description="summary: without inputs and outputs")


class StatusCount(RestModel):
    """The number of workflows of one status that fulfil the conditions."""

    status: WorkflowStatus
    total: int
    total_is_exact: bool = Field(description="false: there are more than total, or the count took too long")


class WorkflowCounts(RestModel):
    """The numbers of workflows by status, without statuses that were not asked for."""

    counts: list[StatusCount]


class WorkflowList(CursorPage):
    """A page of workflows, as the query's view asks for."""

    workflows: list[WorkflowBody | WorkflowSummaryBody]


class EventsQuery(RestModel):
    """Query of the events of a workflow."""

    since_sequence: int = Field(default=0, ge=0, le=MAX_NUMBER, description="only events after this number")
    before_sequence: int = Field(default=MAX_NUMBER, ge=1, le=MAX_NUMBER, description="only events before this number")
    type: Annotated[list[EventType], Several] | None = Field(None, description="one or several types of events")
    newest_first: bool = Field(default=False, description="true: in descending order")
    limit: Annotated[int, Field(ge=1), AfterValidator(lambda limit: min(limit, MAX_EVENTS))] | None = Field(
        None, description=f"events of a page, at most {MAX_EVENTS}; without it, all events are one page"
    )
    cursor: Annotated[str, Field(min_length=1, max_length=MAX_CURSOR)] | None = Field(
        None, description="the nextCursor of the page before, with the same conditions"
    )

    @property
    def conditions(self) -> dict[str, Any]:
        """All but the page: a cursor is bound to them."""
        return self.model_dump(mode="json", exclude={"limit", "cursor"})

    def wanted(self) -> EventFilter:
        """Return the filter."""
        return EventFilter(
            since=self.since_sequence,
            before=self.before_sequence,
            types=None if self.type is None else tuple(self.type),
            newest_first=self.newest_first,
        )


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
    """A page of the history of a workflow, in ascending order unless the newest come first."""

    events: list[EventBody]
    next_cursor: str | None = Field(description="asks for the next page; null on the last")


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


class TerminateWorkflow(CancelWorkflow):
    """A termination."""

    reason: str = "terminated over REST"


class TerminatedWorkflow(CancelledWorkflow):
    """The result of a termination: the workflow has ended; the cancellation of its children may still go on."""


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
