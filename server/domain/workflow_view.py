"""Workflow executions and their histories as REST shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.payload import Json


@dataclass(frozen=True, slots=True)
class WorkflowView:
    """All details of a workflow."""

    id: UUID
    tenant_id: UUID
    kind: str
    queue: str
    status: str
    input: Json
    output: Json | None
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
class EventView:
    """An event of a history. A superseded event is hidden from workers: a retry has removed it from the history."""

    sequence: int
    type: str
    data: Json
    created_at: datetime
    superseded: bool


@dataclass(frozen=True, slots=True)
class WorkflowFilter:
    """A filter for workflows; None matches any value. ``metadata`` is a JSON object that must be contained."""

    tenant_id: UUID
    status: str | None = None
    kind: str | None = None
    queue: str | None = None
    metadata: Json | None = None
