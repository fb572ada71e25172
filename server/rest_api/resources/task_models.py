"""Bodies of tasks, their attempts and their logs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator

from core.launchers import DEFAULT_MAX_RETRIES, DEFAULT_QUEUE
from core.limits import MAX_OFFSET
from core.paging import CursorPage, CursorQuery
from core.rest_model import Moment, Page, Payload, RestModel, Text
from server.domain.task import TaskStatus
from server.domain.task_note import LogLevel
from server.domain.task_view import AttemptView, LogLineView, TaskFilter, TaskSummary, TaskView
from server.rest_api.fields import empty_object, null, shown
from server.rest_api.list_fields import Several, View

MAX_RETRIES = 10
MAX_LOG_LINES = 1000


class CreateTask(RestModel):
    """A standalone task to create."""

    kind: str
    input: Payload = Field(default_factory=empty_object)
    queue: str = DEFAULT_QUEUE
    max_retries: Annotated[int, AfterValidator(lambda value: min(max(value, 0), MAX_RETRIES))] = Field(
        default=DEFAULT_MAX_RETRIES,
        description=f"retries after the first attempt; a value outside of 0 to {MAX_RETRIES} becomes the nearest limit",
    )
    metadata: dict[str, str] = Field(default_factory=dict)
    idempotency_key: str | None = None
    idempotency_key_ttl: str = Field(default="24h", alias="idempotencyKeyTTL", description="such as 30s, 5m, 2h or 7d")
    scheduled_at: Moment | None = None


class TaskSummaryBody(RestModel):
    """A task without its input and output."""

    id: UUID
    tenant_id: UUID
    workflow_execution_id: UUID | None
    kind: str
    status: TaskStatus
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
    metadata: dict[str, str]

    @classmethod
    def of_summary(cls, task: TaskSummary) -> TaskSummaryBody:
        """Return the body of a summary."""
        return TaskSummaryBody(**{name: getattr(task, name) for name in TaskSummaryBody.model_fields})


class TaskBody(TaskSummaryBody):
    """A task."""

    input: Payload
    output: Payload

    @classmethod
    def of(cls, task: TaskView) -> TaskBody:
        """Return the body of a task."""
        members = {name: getattr(task, name) for name in cls.model_fields}
        return cls(**{**members, "input": shown(task.input), "output": shown(task.output)})


class CreatedTask(TaskBody):
    """A task that was created, or the task of the idempotency key."""

    idempotency_key_used: bool
    idempotency_key_new: bool


class TaskList(CursorPage):
    """A page of tasks, as the query's view asks for."""

    tasks: list[TaskBody | TaskSummaryBody]


class WorkflowTasks(RestModel):
    """All tasks of a workflow."""

    tasks: list[TaskBody]


class TaskQuery(CursorQuery):
    """Query of a list of standalone tasks. All conditions that are set must hold."""

    status: Annotated[list[TaskStatus], Several] | None = Field(None, description="one or several, as FAILED,CANCELLED")
    queue: Text | None = None
    kind: Text | None = None
    created_from: Moment | None = Field(None, description="created at or after this time")
    created_to: Moment | None = Field(None, description="created before this time")
    view: View = Field(default=View.FULL, description="summary: without inputs and outputs")

    def wanted(self, tenant_id: UUID) -> TaskFilter:
        """Return the filter."""
        statuses = None if self.status is None else tuple(self.status)
        return TaskFilter(tenant_id, statuses, self.queue, self.kind, self.created_from, self.created_to)


class AttemptBody(RestModel):
    """An attempt at a task."""

    attempt: int
    started_at: datetime
    finished_at: datetime | None
    duration_ms: int | None
    status: TaskStatus
    output: Payload = Field(default_factory=null)
    error: str | None = None
    worker_id: str | None

    @classmethod
    def of(cls, attempt: AttemptView) -> AttemptBody:
        """Return the body of an attempt."""
        duration = None if attempt.finished_at is None else attempt.finished_at - attempt.started_at
        return cls(
            attempt=attempt.attempt,
            started_at=attempt.started_at,
            finished_at=attempt.finished_at,
            duration_ms=None if duration is None else duration // timedelta(milliseconds=1),
            status=TaskStatus(attempt.status),
            output=shown(attempt.output),
            error=attempt.error,
            worker_id=attempt.worker_id,
        )


class Attempts(RestModel):
    """The attempts at a task in ascending order."""

    attempts: list[AttemptBody]


class LogQuery(RestModel):
    """Query of the lines of a log."""

    level: LogLevel | None = None
    limit: Annotated[int, Field(ge=1), AfterValidator(lambda limit: min(limit, MAX_LOG_LINES))] = 100
    offset: int = Field(default=0, ge=0, le=MAX_OFFSET)

    @model_validator(mode="before")
    @classmethod
    def _any_case(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("level"), str):
            return {**data, "level": data["level"].upper()}
        return data


class LogLineBody(RestModel):
    """A line of a log."""

    id: int
    level: LogLevel
    message: str
    timestamp: datetime

    @classmethod
    def of(cls, line: LogLineView) -> LogLineBody:
        """Return the body of a line."""
        return cls(id=line.id, level=LogLevel(line.level), message=line.message, timestamp=line.created_at)


class TaskLog(Page):
    """A page of a task's log, the oldest line first."""

    task_execution_id: UUID
    logs: list[LogLineBody]
