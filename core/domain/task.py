"""A task: work outside of the deterministic workflow code, handed to a worker, retried, recorded once.

A task belongs to a run, or stands alone. What decides about it is pure: its states, and what a worker's
report, a deadline or a cancellation makes of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from core.domain.payload import Json

LONGEST_TIMEOUT_MS = 10 * 365 * 24 * 3600 * 1000
"""Ten years; a longer time-out counts as this one."""


class TaskStatus(StrEnum):
    """Stored status of a task."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_terminal(self) -> bool:
        """Whether the task has ended."""
        return self in _TERMINAL


_TERMINAL = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to create, pending. A higher priority is served sooner; one below zero is the same as zero.

    ``timeout_ms`` is a deadline over all attempts, measured from the creation; None means none.
    ``scheduled_at`` holds the first attempt back until then; it does not go together with a priority.
    """

    tenant_id: UUID
    id: UUID
    workflow_execution_id: UUID | None
    kind: str
    queue: str
    input: Json
    max_retries: int
    timeout_ms: int | None = None
    priority_ms: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)
    scheduled_at: datetime | None = None


def usable_timeout(timeout_ms: int | None) -> int | None:
    """Return the time-out as it is kept: zero, less and nothing mean none."""
    if timeout_ms is None or timeout_ms <= 0:
        return None
    return min(timeout_ms, LONGEST_TIMEOUT_MS)
