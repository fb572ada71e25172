"""Workflow executions and their histories as REST shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.payload import Json


@dataclass(frozen=True, slots=True)
class WorkflowSummary:
    """The details of a workflow, without its input and output."""

    id: UUID
    tenant_id: UUID
    kind: str
    queue: str
    status: str
    error: str | None
    last_sequence: int
    workflow_version: str | None
    parent_id: UUID | None
    child_name: str | None
    worker_id: str | None
    retry_count: int
    priority_ms: int
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    updated_at: datetime
    metadata: Mapping[str, str]
    history_bytes: int


@dataclass(frozen=True, slots=True)
class WorkflowView(WorkflowSummary):
    """All details of a workflow."""

    input: Json
    output: Json | None


@dataclass(frozen=True, slots=True)
class EventView:
    """An event of a history. A superseded event is hidden from workers: a retry has removed it from the history."""

    sequence: int
    type: str
    data: Json
    created_at: datetime
    superseded: bool


@dataclass(frozen=True, slots=True)
class EventFilter:
    """A filter for the events of a workflow.

    Attributes:
        since: events with greater numbers.
        before: events with smaller numbers.
        types: events of these types; None matches all.
        newest_first: descending instead of ascending order.
    """

    since: int
    before: int
    types: Sequence[str] | None
    newest_first: bool


@dataclass(frozen=True, slots=True)
class WorkflowFilter:
    """A filter for workflows; None matches any value.

    Attributes:
        statuses: one of these.
        created_from: created at or after this time; ``created_to`` before this one. Likewise for the end.
        first_id: an id from this one on; ``last_id`` up to this one.
        root_id: this workflow, or a descendant of it.
        metadata: a JSON object that the metadata must contain.
        metadata_key: a key that the metadata must have.
        error: words that the error must contain.
        failing_tasks: whether an open task must have failed in its last attempt.
    """

    tenant_id: UUID
    statuses: Sequence[str] | None = None
    kind: str | None = None
    queue: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    ended_from: datetime | None = None
    ended_to: datetime | None = None
    first_id: UUID | None = None
    last_id: UUID | None = None
    parent_id: UUID | None = None
    root_id: UUID | None = None
    worker_id: str | None = None
    metadata: Json | None = None
    metadata_key: str | None = None
    error: str | None = None
    failing_tasks: bool | None = None
