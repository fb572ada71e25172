"""``…/workflow-executions``, also ``/api/v1/workflows``: start, read, signal, cancel, retry and delete."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

import falcon.asgi

from core.auth import Action
from core.endpoints import Repeat, RestRoute
from core.errors import InvalidInput, NotFound, WrongState
from core.fields import free_text, name_field
from core.json_text import JsonText
from core.launchers import WorkflowLaunch
from core.pacing import paced_groups
from core.paging import MAX_COUNTED, Cursors, scope_of
from core.payload import Json
from server.domain.cancellation import CancellationRequest
from server.domain.idempotency import checked_key
from server.domain.workflow import WorkflowStatus
from server.domain.workflow_view import WorkflowView
from server.engine.engine import Engine
from server.engine.workflows.cancellation import Cancelled
from server.engine.workflows.signals import Signal, SignalWithStart
from server.rest_api.answers import answer_list, body_in_turn
from server.rest_api.fields import idempotency_key, metadata_condition, path_id, payload, shown
from server.rest_api.list_fields import View
from server.rest_api.resources import workflow_models as m
from server.rest_api.tenant_paths import canonical, older
from server.storage.workflow_views import WorkflowViewRepository

TAG = "workflows"
MAX_CHILDREN = 10_000
MAX_AUDIT_EVENTS = 10_000

_PATH = "/workflow-executions"
_OLDER_PATH = "/api/v1/workflows"

Request = falcon.asgi.Request
Response = falcon.asgi.Response


class WorkflowExecutions:
    """Routes and handlers of workflow executions."""

    def __init__(self, engine: Engine, views: WorkflowViewRepository, cursors: Cursors) -> None:
        self._workflows = engine.workflows
        self._views = views
        self._cursors = cursors

    def routes(self) -> list[RestRoute]:
        """Return the routes."""
        execute = partial(_route, "POST", action=Action.EXECUTE)
        return [
            execute(
                "", self.start, "Start a workflow", request=m.StartWorkflow, response=m.StartedWorkflow, status=201
            ),
            *self._views_of_workflows(),
            *self._changes(),
            execute(
                "/signal-with-start",
                self.signal_with_start,
                "Signal a workflow, and start it where there is none",
                request=m.SignalWithStartBody,
                response=m.SignalledWithStart,
            ),
        ]

    def _views_of_workflows(self) -> list[RestRoute]:
        view, one = partial(_route, "GET", action=Action.VIEW), "/{id}"
        return [
            view("", self.list, "List workflows, newest first", query=m.WorkflowListQuery, response=m.WorkflowList),
            view(
                "/counts",
                self.counts,
                "Count workflows by status",
                query=m.WorkflowConditions,
                response=m.WorkflowCounts,
            ),
            view(one, self.get, "Get a workflow", response=m.WorkflowBody),
            view(f"{one}/events", self.events, "The history", query=m.EventsQuery, response=m.Events),
            view(
                f"{one}/audit-events", self.audit_events, "List the audit events of a workflow", response=m.AuditEvents
            ),
            view(f"{one}/children", self.children, "The child workflows", response=m.Children),
            view(f"{one}/state", self.state, "The workflow's state", response=m.State),
        ]

    def _changes(self) -> list[RestRoute]:
        change, one = partial(_route, "POST", action=Action.UPDATE), "/{id}"
        return [
            change(
                f"{one}/cancel",
                self.cancel,
                "Cancel a workflow",
                request=m.CancelWorkflow,
                response=m.CancelledWorkflow,
                repeat=Repeat.SAME,
            ),
            change(
                f"{one}/terminate",
                self.terminate,
                "End a workflow without waiting for its worker",
                request=m.TerminateWorkflow,
                response=m.TerminatedWorkflow,
                repeat=Repeat.SAME,
            ),
            _route("DELETE", one, self.delete, "Delete an ended workflow", action=Action.DELETE, status=204),
            change(
                f"{one}/retry",
                self.retry,
                "Retry a failed workflow",
                request=m.RetryWorkflow,
                response=m.RetriedWorkflow,
            ),
            change(
                f"{one}/signal",
                self.signal,
                "Signal a workflow",
                request=m.SignalWorkflow,
                response=m.SignalledWorkflow,
            ),
        ]

    async def start(self, request: Request, response: Response) -> None:
        """Start a workflow: 201, or 200 when the workflow of its idempotency key exists."""
        body: m.StartWorkflow = request.context.body
        tenant_id: UUID = request.context.tenant_id
        key = idempotency_key(body.idempotency_key, body.idempotency_key_ttl)
        launch = WorkflowLaunch(
            tenant_id=tenant_id,
            kind=body.kind,
            input=payload(body.input, "input"),
            queue=body.queue,
            priority_seconds=body.priority_seconds,
            workflow_version=body.version,
            metadata=body.metadata,
            idempotency_key=key,
        )
        launched = await self._workflows.start(launch)
        workflow = await self._get(tenant_id, launched.id)
        place = f"{_OLDER_PATH}/{workflow.id}"
        response.status = 201 if launched.is_new else 200
        response.set_header("location", place)
        response.media = m.StartedWorkflow(
            workflow_execution_id=workflow.id,
            status=WorkflowStatus(workflow.status),
            kind=workflow.kind,
            created_at=workflow.created_at,
            links=m.Links(self=place, events=f"{place}/events"),
            idempotency_key_used=key is not None,
            idempotency_key_new=launched.is_new,
        ).as_json()

    async def list(self, request: Request, response: Response) -> None:
        """List workflows, newest first."""
        query: m.WorkflowListQuery = request.context.query
        metadata = None if query.metadata is None else metadata_condition(query.metadata)
        tenant_id: UUID = request.context.tenant_id
        paging = await self._cursors.paging(m.WorkflowList.__name__, tenant_id, query)
        wanted = query.wanted(tenant_id, metadata)
        if query.view is View.SUMMARY:
            summaries, members = await self._views.summaries(wanted, paging)
            page = m.WorkflowList(workflows=[], **members)
            await answer_list(response, page, "workflows", summaries, m.WorkflowSummaryBody.of_summary)
            return
        workflows, members = await self._views.page(wanted, paging)
        await answer_list(response, m.WorkflowList(workflows=[], **members), "workflows", workflows, m.WorkflowBody.of)

    async def counts(self, request: Request, response: Response) -> None:
        """Count workflows by status, each up to the bound of totals."""
        query: m.WorkflowConditions = request.context.query
        metadata = None if query.metadata is None else metadata_condition(query.metadata)
        wanted = query.wanted(request.context.tenant_id, metadata)
        counted = []
        for status in wanted.statuses or WorkflowStatus:
            total = await self._views.counted(replace(wanted, statuses=(status,)), MAX_COUNTED + 1)
            counted.append(
                m.StatusCount(
                    status=WorkflowStatus(status),
                    total=min(total or 0, MAX_COUNTED),
                    total_is_exact=total is not None and total <= MAX_COUNTED,
                )
            )
        response.media = m.WorkflowCounts(counts=counted).as_json()

    async def get(self, request: Request, response: Response, id: str) -> None:  # noqa: A002 - the path's name
        """Return a workflow."""
        response.media = await body_in_turn(await self._named(request, id), m.WorkflowBody.of)

    async def events(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Return the history of a workflow, or a page of it."""
        query: m.EventsQuery = request.context.query
        tenant_id, workflow_id = request.context.tenant_id, path_id(id, "workflow execution")
        scope = scope_of(f"{m.Events.__name__} {workflow_id}", tenant_id, query.conditions)
        wanted = query.wanted()
        if query.cursor is not None:
            [last] = await self._cursors.position(scope, query.cursor)
            assert isinstance(last, int)  # as it was signed below
            wanted = replace(wanted, before=last) if wanted.newest_first else replace(wanted, since=last)
        more = None if query.limit is None else query.limit + 1
        events = await self._views.events(tenant_id, workflow_id, wanted, more)
        if not events:
            await self._named(request, id)
        shown = events[: query.limit]
        has_more = len(events) > len(shown)
        following = await self._cursors.cursor(scope, (shown[-1].sequence,)) if has_more else None
        await answer_list(response, m.Events(events=[], next_cursor=following), "events", shown, m.EventBody.of)

    async def audit_events(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Return the audit events of a workflow, oldest first."""
        workflow = await self._named(request, id)
        found = await self._views.audit_events(workflow.tenant_id, workflow.id, MAX_AUDIT_EVENTS)
        await answer_list(response, m.AuditEvents(events=[]), "events", found, m.AuditEventBody.of)

    async def children(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Return a workflow's children, oldest first."""
        workflow = await self._named(request, id)
        children = await self._views.children(workflow.tenant_id, workflow.id, MAX_CHILDREN)
        await answer_list(response, m.Children(children=[]), "children", children, m.ChildBody.of)

    async def state(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Return a workflow's state."""
        workflow = await self._named(request, id)
        state = await self._views.state(workflow.tenant_id, workflow.id)
        groups = await paced_groups(state.items(), _entry_size, _shown_entries)
        response.media = {"state": {key: value for group in groups for key, value in group.items()}}

    async def cancel(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Cancel a workflow; a claimed workflow is cancelled with the next submission of its worker."""
        asked = _cancellation(request, id)
        response.media = _cancelled(m.CancelledWorkflow, asked, await self._workflows.cancel(asked))

    async def terminate(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """End a workflow as cancelled, at once; what its worker submits later changes nothing."""
        asked = _cancellation(request, id)
        response.media = _cancelled(m.TerminatedWorkflow, asked, await self._workflows.terminate(asked))

    async def delete(self, request: Request, _response: Response, id: str) -> None:  # noqa: A002
        """Delete an ended workflow with everything that belongs to it: 204."""
        await self._workflows.delete((request.context.tenant_id, path_id(id, "workflow execution")))

    async def retry(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Retry a workflow that has failed."""
        body: m.RetryWorkflow = request.context.body
        workflow_id = path_id(id, "workflow execution")
        note = None if body.note is None else free_text(body.note)
        try:
            attempt = await self._workflows.retry(
                (request.context.tenant_id, workflow_id), note, request.context.identity.id
            )
        except WrongState as error:
            raise InvalidInput(str(error)) from None  # this route has always answered 400
        response.media = m.RetriedWorkflow(
            workflow_execution_id=workflow_id, retry_attempt=attempt, message=f"retry {attempt} is waiting for a worker"
        ).as_json()

    async def signal(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Deliver a signal to a workflow."""
        body: m.SignalWorkflow = request.context.body
        signal = Signal(
            tenant_id=request.context.tenant_id,
            workflow_id=path_id(id, "workflow execution"),
            name=name_field(body.signal_name, "signal_name"),
            value=payload(body.signal_value, "signal_value"),
        )
        response.media = m.SignalledWorkflow(signal_event_sequence=await self._workflows.signal(signal)).as_json()

    async def signal_with_start(self, request: Request, response: Response) -> None:
        """Deliver a signal to the open workflow of a workflow id, or to one that is started for it."""
        body: m.SignalWithStartBody = request.context.body
        launch = WorkflowLaunch(
            tenant_id=request.context.tenant_id,
            kind=body.workflow_kind,
            input=payload(body.workflow_input, "workflow_input"),
            queue=body.queue,
            metadata=body.metadata,
            idempotency_key=checked_key(name_field(body.workflow_id, "workflow_id"), None),
        )
        name = name_field(body.signal_name, "signal_name")
        asked = SignalWithStart(launch, name, payload(body.signal_value, "signal_value"))
        signalled = await self._workflows.signal_with_start(asked)
        response.media = m.SignalledWithStart(
            workflow_execution_id=signalled.workflow_id,
            workflow_created=signalled.is_new,
            signal_event_sequence=signalled.sequence,
        ).as_json()

    async def _named(self, request: Request, ident: str) -> WorkflowView:
        return await self._get(request.context.tenant_id, path_id(ident, "workflow execution"))

    async def _get(self, tenant_id: UUID, workflow_id: UUID) -> WorkflowView:
        workflow = await self._views.get(tenant_id, workflow_id)
        if workflow is None:
            raise NotFound(f"there is no workflow execution {workflow_id} in this tenant")
        return workflow


def _route(
    method: str,
    path: str,
    handler: Callable[..., Any],
    summary: str,
    *,
    action: Action,
    request: Any = None,
    query: Any = None,
    response: Any = None,
    status: int = 200,
    repeat: Repeat | None = None,
) -> RestRoute:
    return RestRoute(
        method,
        canonical(_PATH + path),
        handler,
        action,
        "workflow" if action is Action.EXECUTE else "workflow-execution",
        summary,
        request_model=request,
        query_model=query,
        response_model=response,
        status=status,
        more_statuses=(200,) if status == 201 else (),  # noqa: PLR2004 - its key may lead to one that exists
        resource_id="workflowExecutionId" if action is Action.EXECUTE else "id",
        aliases=(*older(_PATH + path), _OLDER_PATH + path),
        tag=TAG,
        repeat=repeat,
    )


def _cancellation(request: Request, ident: str) -> CancellationRequest:
    body: m.CancelWorkflow = request.context.body
    return CancellationRequest(
        tenant_id=request.context.tenant_id,
        workflow_id=path_id(ident, "workflow execution"),
        reason=free_text(body.reason),
        requested_by=request.context.identity.id,
        cascades=body.cascade_to_children,
    )


def _cancelled(model: type[m.CancelledWorkflow], asked: CancellationRequest, done: Cancelled) -> dict[str, Any]:
    return model(
        workflow_execution_id=asked.workflow_id,
        status=done.outcome,
        cancelled_children=[workflow_id for _, workflow_id in done.children],
    ).as_json()


def _entry_size(entry: tuple[str, Json]) -> int:
    return len(entry[1])


def _shown_entries(entries: list[tuple[str, Json]]) -> dict[str, JsonText]:
    return {key: shown(value) for key, value in entries}
