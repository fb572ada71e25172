"""Reads workflow executions for REST: single ones and pages, with their histories, children and state."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from core.connection import RowFactory
from core.json_text import members
from core.named_queries import named_queries
from core.paging import PageMembers, Paging, Position
from core.payload import Json, readable
from core.plugin_services import Database
from server.domain.audit_event import AuditEvent
from server.domain.workflow import WorkflowStatus
from server.domain.workflow_view import EventFilter, EventView, WorkflowFilter, WorkflowSummary, WorkflowView
from server.storage.audit_events import AuditEventRepository
from server.storage.lists import Conditions, ListForm, ListStatements, conditions
from server.storage.rows import SCALAR, Row, read, record_row

_SQL = named_queries(__package__, "workflow_views.sql")
_LIST = ListStatements(_SQL, "createdFrom, or by a kind, queue or status that fewer workflows have")
_WORKFLOW = record_row(WorkflowView)
_SUMMARY = record_row(WorkflowSummary)
_EVENT = record_row(EventView)


def _entry(data: Json) -> tuple[str, Json]:
    """Return the key and the value of an event that sets a state; see ``server.engine.submission.command_table``."""
    found = members(readable(data))
    return json.loads(found["key"]), found["value"]


def _position(workflow: WorkflowSummary) -> Position:
    return workflow.created_at, workflow.id


_ENDED = (WorkflowStatus.COMPLETED, WorkflowStatus.FAILED, WorkflowStatus.CANCELLED)
_HAS_ENDED = "has_ended"


def _conditions(wanted: WorkflowFilter) -> Conditions:
    found = conditions(wanted)
    found.pop("statuses", None)
    return found


def _branch(status: str) -> str:
    return f"is_{status.lower()}"


def _few_ids(wanted: WorkflowFilter) -> bool:
    """Return whether the wanted ids have at least three hexadecimal digits in common."""
    first, last = wanted.first_id, wanted.last_id
    return first is not None and last is not None and first.hex[:3] == last.hex[:3]


def _form(beginning: str, wanted: WorkflowFilter) -> ListForm:
    """Return the form of the statement: in branches where one index does not serve all statuses."""
    if wanted.statuses:
        branches = [_branch(status) for status in wanted.statuses]
    elif wanted.worker_id is not None:
        branches = [*(_branch(status) for status in WorkflowStatus if status not in _ENDED), _HAS_ENDED]
    elif wanted.root_id is not None or wanted.failing_tasks or _few_ids(wanted):
        return ListForm(beginning, "ordered_matches")
    else:
        return ListForm(beginning)
    return ListForm(f"{beginning}_of_several", "ordered_of_several", branches)


class WorkflowViewRepository:
    """Reads ``workflow_execution`` and ``workflow_event``; ``lists`` is for pages and histories."""

    def __init__(self, database: Database, lists: Database | None = None) -> None:
        self._database = database
        self._lists = lists or database
        self._audit_events = AuditEventRepository()

    async def get(self, tenant_id: UUID, workflow_id: UUID) -> WorkflowView | None:
        """Return a workflow; None when it does not exist."""
        rows = await self._read(_WORKFLOW, "get", tenant_id=tenant_id, id=workflow_id)
        return rows[0] if rows else None

    async def page(self, wanted: WorkflowFilter, paging: Paging) -> tuple[list[WorkflowView], PageMembers]:
        """Return a page of workflows, newest first, and the members of its answer.

        Raises:
            TooBroad: the search or the exact count takes too long.
        """
        form = _form("page", wanted)
        rows = await _LIST.page(self._lists, _WORKFLOW, _conditions(wanted), paging, form)
        return await paging.page(rows, _position, _LIST.counter(self._lists, _conditions(wanted), form))

    async def summaries(self, wanted: WorkflowFilter, paging: Paging) -> tuple[list[WorkflowSummary], PageMembers]:
        """Like ``page``, without inputs and outputs."""
        form = _form("summaries", wanted)
        rows = await _LIST.page(self._lists, _SUMMARY, _conditions(wanted), paging, form)
        return await paging.page(rows, _position, _LIST.counter(self._lists, _conditions(wanted), form))

    async def counted(self, wanted: WorkflowFilter, most: int) -> int | None:
        """Return the number of workflows up to ``most``; None where the count takes too long."""
        return await _LIST.counter(self._lists, _conditions(wanted), _form("page", wanted))(most)

    async def children(self, tenant_id: UUID, workflow_id: UUID, limit: int) -> list[WorkflowView]:
        """Return the children of a workflow, oldest first."""
        return await self._read(_WORKFLOW, "children", tenant_id=tenant_id, id=workflow_id, limit=limit)

    async def events(
        self, tenant_id: UUID, workflow_id: UUID, wanted: EventFilter, limit: int | None
    ) -> list[EventView]:
        """Return up to ``limit`` events of a workflow, superseded events included."""
        parameters = {
            "tenant_id": tenant_id,
            "id": workflow_id,
            "since": wanted.since,
            "before": wanted.before,
            "types": None if wanted.types is None else list(wanted.types),
            "limit": limit,
        }
        statement = _SQL["newest_events" if wanted.newest_first else "events"]
        return await read(self._lists, _EVENT, statement, parameters)

    async def audit_events(self, tenant_id: UUID, workflow_id: UUID, limit: int) -> list[AuditEvent]:
        """Return the audit events of a workflow, oldest first."""
        async with self._database.connection() as connection:
            return await self._audit_events.of_workflow(connection, (tenant_id, workflow_id), limit)

    async def state(self, tenant_id: UUID, workflow_id: UUID) -> dict[str, Json]:
        """Return the state that the events of a workflow have set, by key."""
        found = dict(
            _entry(Json(data)) for data in await self._read(SCALAR, "state", tenant_id=tenant_id, id=workflow_id)
        )
        return dict(sorted(found.items()))

    async def _read(self, rows: RowFactory[Row], query: str, **parameters: Any) -> list[Row]:
        return await read(self._database, rows, _SQL[query], parameters)
