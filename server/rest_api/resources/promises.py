"""``…/promises``: lists and settles promises. ``ident`` is ``id:<uuid>``, a bare UUID, or ``key:<idempotency key>``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import falcon.asgi
from pydantic import Field

from core.auth import Action
from core.endpoints import Repeat, RestRoute
from core.fields import free_text
from core.paging import CursorPage, CursorQuery, Cursors
from core.rest_model import Payload, RestModel, Text
from server.domain.promise import PromiseOutcome, PromiseRef, PromiseStatus, rejected, resolved
from server.domain.promise_view import PromiseFilter, PromiseView
from server.engine.workflows.promises import Promises
from server.rest_api.answers import answer_list
from server.rest_api.fields import null, path_id, payload, shown
from server.rest_api.tenant_paths import canonical, older
from server.storage.promise_views import PromiseViewRepository

TAG = "promises"

Request = falcon.asgi.Request
Response = falcon.asgi.Response


class ResolvePromise(RestModel):
    """A resolution of a promise."""

    value: Payload = Field(default_factory=null)


class RejectPromise(RestModel):
    """A rejection of a promise."""

    error: str


class PromiseListQuery(CursorQuery):
    """Query of a list of promises."""

    limit: int = Field(default=20, ge=1, le=100)
    workflow_execution_id: UUID | None = Field(
        None, description="promises of this workflow, with any status; without it, pending promises of all workflows"
    )
    name: Text | None = None


class PromiseBody(RestModel):
    """A promise."""

    id: UUID
    workflow_execution_id: UUID
    name: str
    status: PromiseStatus
    value: Payload
    error: str | None
    timeout_at: datetime | None
    created_at: datetime
    settled_at: datetime | None

    @classmethod
    def of(cls, promise: PromiseView) -> PromiseBody:
        """Return the body of a promise."""
        same = {name: getattr(promise, name) for name in cls.model_fields if name not in ("status", "value")}
        return cls(**same, status=PromiseStatus(promise.status), value=shown(promise.value))


class PromiseList(CursorPage):
    """A page of promises, newest first."""

    promises: list[PromiseBody]


class SettledPromise(RestModel):
    """The result of a settlement; only the first settlement of a promise counts."""

    resolved: bool
    already_resolved: bool
    promise_id: UUID


class PromiseResources:
    """Routes and handlers of promises."""

    def __init__(self, promises: Promises, views: PromiseViewRepository, cursors: Cursors) -> None:
        self._promises = promises
        self._views = views
        self._cursors = cursors

    def routes(self) -> list[RestRoute]:
        """Return the routes."""
        listed = RestRoute(
            "GET",
            canonical("/promises"),
            self.list,
            Action.VIEW,
            "workflow-execution",
            "List pending promises, or all promises of a workflow, newest first",
            query_model=PromiseListQuery,
            response_model=PromiseList,
            aliases=older("/promises"),
            tag=TAG,
        )
        return [
            listed,
            _route("resolve", self.resolve, "Resolve a promise", ResolvePromise),
            _route("reject", self.reject, "Reject a promise", RejectPromise),
        ]

    async def list(self, request: Request, response: Response) -> None:
        """List promises, newest first."""
        query: PromiseListQuery = request.context.query
        tenant_id: UUID = request.context.tenant_id
        paging = await self._cursors.paging(PromiseList.__name__, tenant_id, query)
        workflow_id = query.workflow_execution_id
        wanted = PromiseFilter(tenant_id, workflow_id, pending=workflow_id is None or None, name=query.name)
        promises, members = await self._views.page(wanted, paging)
        await answer_list(response, PromiseList(promises=[], **members), "promises", promises, PromiseBody.of)

    async def resolve(self, request: Request, response: Response, ident: str) -> None:
        """Resolve a promise."""
        body: ResolvePromise = request.context.body
        await self._settle(request, response, ident, resolved(payload(body.value, "value")))

    async def reject(self, request: Request, response: Response, ident: str) -> None:
        """Reject a promise."""
        body: RejectPromise = request.context.body
        await self._settle(request, response, ident, rejected(free_text(body.error)))

    async def _settle(self, request: Request, response: Response, ident: str, outcome: PromiseOutcome) -> None:
        promise_id, counts = await self._promises.settle(_ref(request.context.tenant_id, ident), outcome)
        response.media = SettledPromise(resolved=counts, already_resolved=not counts, promise_id=promise_id).as_json()


def _ref(tenant_id: UUID, ident: str) -> PromiseRef:
    """Return the promise that a path names; a key may hold any character, colons and slashes included."""
    if ident.startswith("key:"):
        return PromiseRef(tenant_id, key=ident.removeprefix("key:"))
    return PromiseRef(tenant_id, id=path_id(ident.removeprefix("id:"), "promise"))


def _route(verb: str, handler: Callable[..., Any], summary: str, model: type[RestModel]) -> RestRoute:
    path = f"/promises/{{ident}}/{verb}"
    return RestRoute(
        "POST",
        canonical(path),
        handler,
        Action.UPDATE,
        "workflow-execution",
        summary,
        request_model=model,
        response_model=SettledPromise,
        resource_id="promiseId",
        aliases=(*older(path), f"/api{path}"),
        tag=TAG,
        repeat=Repeat.SAME,
    )
