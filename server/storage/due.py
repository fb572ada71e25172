"""Due times and pending queues of the whole database; the leader of a deployment reads them for all processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from core.named_queries import named_queries
from core.plugin_services import Database
from server.domain.worker import Category
from server.storage.rows import NAMED, read, record_row

TIMERS, PROMISES, SCHEDULES, DEADLINES, CANCELLATIONS = "timers", "promises", "schedules", "deadlines", "cancellations"

_KINDS = (TIMERS, PROMISES, SCHEDULES, DEADLINES, CANCELLATIONS)
"""The kinds of due work, named like the columns of the query ``outlook``."""

_SQL = named_queries(__package__, "due.sql")

Place = tuple[UUID, str]
"""Tenant and queue."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """The work to come in a whole database.

    Attributes:
        due_in: the seconds until the next work of each kind is due: negative for overdue, None without any.
        is_work_pending: whether any workflow or task execution is pending.
    """

    due_in: Mapping[str, float | None]
    is_work_pending: bool


@dataclass(frozen=True, slots=True)
class PendingQueue:
    """A queue in which work is pending; ``due_in`` is the time until its first work may be claimed, in seconds."""

    category: Category
    tenant_id: UUID
    queue: str
    due_in: float


_PENDING_QUEUE = record_row(PendingQueue, category=Category)


class DueRepository:
    """Reads due times and pending queues of all tenants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def outlook(self, channel: str) -> Outlook:
        """Return the due times, and announce the leader on ``channel``."""
        [row] = await read(self._database, NAMED, _SQL["outlook"], {"channel": channel})
        return Outlook({kind: getattr(row, kind) for kind in _KINDS}, row.is_work_pending)

    async def pending_queues(self, after: Mapping[Category, Place], limit: int) -> list[PendingQueue]:
        """Return queues in which work is pending: of each category at most ``limit``, those after ``after``."""
        workflows, tasks, agents = (after[each] for each in (Category.WORKFLOW, Category.TASK, Category.AGENT))
        parameters = {
            "workflow_tenant_id": workflows[0],
            "workflow_queue": workflows[1],
            "task_tenant_id": tasks[0],
            "task_queue": tasks[1],
            "agent_tenant_id": agents[0],
            "agent_queue": agents[1],
            "limit": limit,
        }
        return await read(self._database, _PENDING_QUEUE, _SQL["pending_queues"], parameters)
