"""Puts authentication, authorization, observers and checks of what is sent in front of a route's handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import falcon.asgi

from core.auth import Protocol
from core.endpoints import Repeat, RestRoute
from core.errors import NotFound
from core.launchers import TenantLookup
from server.admission import Admission, Entry
from server.auth.route_rules import TENANT_PARAMETER
from server.auth.stack import AuthStack
from server.engine.repeats import Repeats
from server.observability.calls import CallObservers, Endpoint, WatchedCall, text_of
from server.rest_api import error_mapping
from server.rest_api.bodies import body, fitting, size_of
from server.rest_api.entrance import Entrance
from server.rest_api.path_segments import plain
from server.rest_api.repeats import repeatable

Responder = Callable[..., Awaitable[None]]
Request = falcon.asgi.Request
Response = falcon.asgi.Response


class Guard:
    """What stands before every route of a process."""

    def __init__(
        self,
        auth: AuthStack,
        tenants: TenantLookup,
        observers: CallObservers,
        admission: Admission,
        repeats: Repeats,
    ) -> None:
        self._auth = auth
        self._tenants = tenants
        self._observers = observers
        self._admission = admission
        self._repeats = repeats

    def responder(self, route: RestRoute) -> Responder:
        """Return the route's responder: who calls, may they, what do they send, then the handler."""
        endpoint = _endpoint(route)
        entrance = Entrance(route, self._auth, self._tenants)
        handler = repeatable(route, self._repeats)

        async def respond(_resource: object, request: Request, response: Response, **parameters: Any) -> None:
            entry = self._admission.call(request.scope.get("client"), size_of(request))
            try:
                await watched_call(entry, request, response, parameters)
            finally:
                entry.leave()

        async def watched_call(entry: Entry, request: Request, response: Response, parameters: dict[str, Any]) -> None:
            parameters = {name: plain(value) for name, value in parameters.items()}
            watched = self._observers.watch(endpoint, request.remote_addr or "")
            if watched is None:
                await _checked(entrance, request, parameters, None, entry)
                response.status = route.status
                await handler(request, response, **parameters)
                return
            watched.resource_id = text_of(parameters, route.resource_id)
            try:
                await _checked(entrance, request, parameters, watched, entry)
                await watched.before()
                response.status = route.status
                await handler(request, response, **parameters)
                await response.render_body()  # an answer that cannot be sent is no success
            except BaseException as error:
                await watched.after(error_mapping.code_of(error))
                raise
            media = response.media
            before = getattr(response.context, "resource_id", None)
            named = text_of(media, route.resource_id) if isinstance(media, dict) else before
            await watched.after(error_mapping.code_of_status(response.status_code), named)

        return respond


def _endpoint(route: RestRoute) -> Endpoint:
    reads = route.repeated is Repeat.READS
    return Endpoint(Protocol.REST, f"{route.method} {route.path}", route.action, route.resource, reads)


async def _checked(
    entrance: Entrance, request: Request, parameters: dict[str, Any], watched: WatchedCall | None, entry: Entry
) -> None:
    """Admit the caller, then check what it sends."""
    identity, tenant_id = await entrance.admitted(request, parameters, watched)
    entry.of(identity)
    parameters.pop(TENANT_PARAMETER, None)
    if any("\x00" in value for value in parameters.values()):
        raise NotFound("there is nothing here: a part of the path holds a NUL character, which no name can hold")
    context = request.context
    context.identity = identity
    context.tenant_id = tenant_id
    route = entrance.route
    if route.query_model is not None:
        context.query = fitting(route.query_model, request.params, "the query string")
    if route.request_model is not None:
        context.body = await body(request, route.request_model)
