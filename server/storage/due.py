"""What is due in the whole database, and where something is pending: asked once for a deployment, by its leader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from core.named_queries import named_queries
from core.plugin_services import Database
from server.domain.worker import Category

TIMERS, PROMISES, SCHEDULES, DEADLINES, CANCELLATIONS = "timers", "promises", "schedules", "deadlines", "cancellations"

_KINDS = (TIMERS, PROMISES, SCHEDULES, DEADLINES, CANCELLATIONS)
"""In the order of the columns."""

_SQL = named_queries(__package__, "due.sql")

Place = tuple[UUID, str]
"""Tenant and queue."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is to come in a whole database.

    Attributes:
        due_in: in how many seconds something is due, by kind: negative for overdue, None when nothing is to come.
        is_work_pending: whether any workflow or task execution is pending.
    """

    due_in: Mapping[str, float | None]
    is_work_pending: bool


@dataclass(frozen=True, slots=True)
class PendingQueue:
    """A queue in which work is pending, and in how many seconds the first of it may be claimed."""

    category: Category
    tenant_id: UUID
    queue: str
    due_in: float


class DueRepository:
    """Reads over all tenants."""

    def __init__(self, database: Database) -> None:
        """Take the pool."""
        self._database = database

    async def outlook(self, channel: str) -> Outlook:
        """Return what is due and when, and announce the leader on ``channel``."""
        async with self._database.connection() as connection:
            row = await (await connection.execute(_SQL["outlook"], {"channel": channel})).fetchone()
        *moments, is_work_pending, _ = row
        return Outlook(dict(zip(_KINDS, moments, strict=True)), is_work_pending)

    async def pending_queues(self, after: Mapping[Category, Place], limit: int) -> list[PendingQueue]:
        """Return queues in which work is pending: of each category at most ``limit``, those after a given one."""
        workflows, tasks = after[Category.WORKFLOW], after[Category.TASK]
        parameters = {
            "workflow_tenant_id": workflows[0],
            "workflow_queue": workflows[1],
            "task_tenant_id": tasks[0],
            "task_queue": tasks[1],
            "limit": limit,
        }
        async with self._database.connection() as connection:
            rows = await (await connection.execute(_SQL["pending_queues"], parameters)).fetchall()
        return [PendingQueue(Category(row[0]), *row[1:]) for row in rows]
