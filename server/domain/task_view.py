"""Task executions as REST shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.payload import Json


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """The details of a task, without its input and output."""

    id: UUID
    tenant_id: UUID
    workflow_execution_id: UUID | None
    agent_execution_id: UUID | None
    kind: str
    status: str
    queue: str
    execution_count: int
    max_retries: int
    progress: float | None
    progress_details: str | None
    error: str | None
    worker_id: str | None
    scheduled_at: datetime | None
    deadline_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TaskView(TaskSummary):
    """All details of a task."""

    input: Json
    output: Json | None


@dataclass(frozen=True, slots=True)
class AttemptView:
    """An attempt at a task; ``finished_at`` is None while it runs."""

    attempt: int
    status: str
    output: Json | None
    error: str | None
    worker_id: str | None
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class LogLineView:
    """A line of a task's log."""

    id: int
    level: str
    message: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """A filter for the standalone tasks of a tenant; None matches any value."""

    tenant_id: UUID
    statuses: Sequence[str] | None = None
    queue: str | None = None
    kind: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
