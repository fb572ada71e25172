"""``…/workflow-executions/bulk/{action}``: changes all workflows that match a filter, a batch at a time.

A batch is read by the filter, and changed in one transaction, in which each decision is made again under the lock of
its workflow. So an interrupted call has changed all workflows of its batch or none, and can be sent again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import falcon.asgi

from core.auth import Action
from core.endpoints import RestRoute
from core.errors import InvalidInput
from core.fields import free_text, name_field
from core.paging import Count, Cursors, Paging, scope_of
from server.domain.cancellation import CancellationRequest
from server.domain.workflow import WorkflowStatus
from server.domain.workflow_view import WorkflowFilter, WorkflowSummary
from server.engine.engine import Engine
from server.engine.workflows.signals import Signal
from server.rest_api.fields import metadata_condition, payload
from server.rest_api.resources import bulk_models as m
from server.rest_api.resources.workflow_models import WorkflowSummaryBody
from server.rest_api.tenant_paths import canonical, older
from server.storage.workflow_views import WorkflowViewRepository

TAG = "workflows"

_OPEN = tuple(status for status in WorkflowStatus if not status.is_terminal)
_ENDED = tuple(status for status in WorkflowStatus if status.is_terminal)

Request = falcon.asgi.Request
Response = falcon.asgi.Response

Change = Callable[[Request, Any, Sequence[UUID], WorkflowFilter], Awaitable[int]]
"""Changes the workflows of one batch; returns how many were changed."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of change: its name, the model of its body, the statuses that allow it, and what it does."""

    name: str
    model: type[m.BulkRequest]
    statuses: Sequence[WorkflowStatus]
    change: Change
    action: Action = Action.UPDATE


class BulkChanges:
    """Routes and handlers of changes of many workflows; ``views`` reads the primary."""

    def __init__(self, engine: Engine, views: WorkflowViewRepository, cursors: Cursors) -> None:
        self._workflows = engine.workflows
        self._views = views
        self._cursors = cursors

    def routes(self) -> list[RestRoute]:
        """Return the routes."""
        kinds = (
            _Kind("cancel", m.BulkCancel, _OPEN, self._cancel),
            _Kind("terminate", m.BulkTerminate, _OPEN, self._terminate),
            _Kind("signal", m.BulkSignal, _OPEN, self._signal),
            _Kind("retry", m.BulkRetry, (WorkflowStatus.FAILED,), self._retry),
            _Kind("delete", m.BulkDelete, _ENDED, self._delete, Action.DELETE),
        )
        return [self._route(kind) for kind in kinds]

    def _route(self, kind: _Kind) -> RestRoute:
        async def handle(request: Request, response: Response) -> None:
            response.media = (await self._carry_out(kind, request)).as_json()

        path = f"/workflow-executions/bulk/{kind.name}"
        return RestRoute(
            "POST",
            canonical(path),
            handle,
            kind.action,
            "workflow-execution",
            f"{kind.name.capitalize()} the workflows that match a filter, a batch at a time",
            request_model=kind.model,
            response_model=m.BulkResult,
            resource_id="summary",
            aliases=older(path),
            tag=TAG,
        )

    async def _carry_out(self, kind: _Kind, request: Request) -> m.BulkResult:
        body: m.BulkRequest = request.context.body
        wanted = _wanted(kind, body, request.context.tenant_id)
        scope = scope_of(f"bulk {kind.name}", wanted.tenant_id, body.filter.model_dump(mode="json"))
        after = None if body.cursor is None else await self._cursors.position(scope, body.cursor)
        limit = m.MAX_SHOWN if body.counts_only else body.limit
        count = Count.BOUNDED if body.counts_only else Count.NONE
        paging = Paging(self._cursors, scope, limit, 0, after, count)
        found, members = await self._views.summaries(wanted, paging)
        if body.counts_only:
            return _dry(kind, found, members)
        changed = await kind.change(request, body, [each.id for each in found], wanted) if found else 0
        return m.BulkResult(
            dryRun=False,
            matched=None,
            matched_is_exact=None,
            changed=changed,
            skipped=len(found) - changed,
            first=[],
            next_cursor=members["next_cursor"],
            summary=f"{kind.name}: {changed} of {len(found)}",
        )

    async def _cancel(self, request: Request, body: m.BulkCancel, ids: Sequence[UUID], _wanted: WorkflowFilter) -> int:
        return await self._workflows.end_all(_cancellations(request, body, ids), at_once=False)

    async def _terminate(
        self, request: Request, body: m.BulkTerminate, ids: Sequence[UUID], _wanted: WorkflowFilter
    ) -> int:
        return await self._workflows.end_all(_cancellations(request, body, ids), at_once=True)

    async def _signal(self, request: Request, body: m.BulkSignal, ids: Sequence[UUID], _wanted: WorkflowFilter) -> int:
        name, value = name_field(body.signal_name, "signal_name"), payload(body.signal_value, "signal_value")
        return await self._workflows.signal_all([Signal(request.context.tenant_id, each, name, value) for each in ids])

    async def _retry(self, request: Request, body: m.BulkRetry, ids: Sequence[UUID], _wanted: WorkflowFilter) -> int:
        note = None if body.note is None else free_text(body.note)
        keys = [(request.context.tenant_id, each) for each in ids]
        return await self._workflows.retry_all(keys, note, request.context.identity.id)

    async def _delete(self, request: Request, _body: m.BulkDelete, ids: Sequence[UUID], wanted: WorkflowFilter) -> int:
        keys = [(request.context.tenant_id, each) for each in ids]
        return await self._workflows.delete_all(keys, [WorkflowStatus(each) for each in wanted.statuses or ()])


def _wanted(kind: _Kind, body: m.BulkRequest, tenant_id: UUID) -> WorkflowFilter:
    """Return the filter, with the statuses that allow the change.

    Raises:
        InvalidInput: the filter has no condition, or a status that does not allow the change.
    """
    if not body.filter.model_dump(exclude_defaults=True):
        raise InvalidInput("filter: set at least one condition; the status is one, too")
    metadata = None if body.filter.metadata is None else metadata_condition(body.filter.metadata)
    wanted = body.filter.wanted(tenant_id, metadata)
    if wanted.statuses is None:
        return replace(wanted, statuses=tuple(kind.statuses))
    others = [status for status in wanted.statuses if status not in kind.statuses]
    if others:
        allowed = ", ".join(kind.statuses)
        raise InvalidInput(f"filter.status: no {others[0]} workflow allows this change; send some of {allowed}")
    return wanted


def _dry(kind: _Kind, found: Sequence[WorkflowSummary], members: dict[str, Any]) -> m.BulkResult:
    total, is_exact = members["total"], members["total_is_exact"]
    return m.BulkResult(
        dryRun=True,
        matched=total,
        matched_is_exact=is_exact,
        changed=0,
        skipped=0,
        first=[WorkflowSummaryBody.of_summary(each) for each in found],
        next_cursor=None,
        summary=f"dry run of {kind.name}: {total}{'' if is_exact else ' or more'} match",
    )


def _cancellations(request: Request, body: m.BulkCancel, ids: Sequence[UUID]) -> list[CancellationRequest]:
    reason = free_text(body.reason)
    return [
        CancellationRequest(
            tenant_id=request.context.tenant_id,
            workflow_id=each,
            reason=reason,
            requested_by=request.context.identity.id,
            cascades=body.cascade_to_children,
        )
        for each in ids
    ]
