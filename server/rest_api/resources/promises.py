"""``…/promises/{ident}``: settles promises. ``ident`` is ``id:<uuid>``, a bare UUID, or ``key:<idempotency key>``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import falcon.asgi
from pydantic import Field

from core.auth import Action
from core.endpoints import Repeat, RestRoute
from core.fields import free_text
from core.rest_model import Payload, RestModel
from server.domain.promise import PromiseOutcome, PromiseRef, rejected, resolved
from server.engine.workflows.promises import Promises
from server.rest_api.fields import null, path_id, payload
from server.rest_api.tenant_paths import canonical, older

TAG = "promises"

Request = falcon.asgi.Request
Response = falcon.asgi.Response


class ResolvePromise(RestModel):
    """A resolution of a promise."""

    value: Payload = Field(default_factory=null)


class RejectPromise(RestModel):
    """A rejection of a promise."""

    error: str


class SettledPromise(RestModel):
    """The result of a settlement; only the first settlement of a promise counts."""

    resolved: bool
    already_resolved: bool
    promise_id: UUID


class PromiseSettlements:
    """Routes and handlers of promises."""

    def __init__(self, promises: Promises) -> None:
        self._promises = promises

    def routes(self) -> list[RestRoute]:
        """Return the routes."""
        return [
            _route("resolve", self.resolve, "Resolve a promise", ResolvePromise),
            _route("reject", self.reject, "Reject a promise", RejectPromise),
        ]

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
