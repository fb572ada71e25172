"""Puts authentication, authorization, observers and checks of what is sent in front of a route's handler."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import falcon.asgi
from pydantic import BaseModel, ValidationError

from core.auth import Protocol
from core.domain.payload import half_character
from core.endpoints import Repeat, RestRoute
from core.errors import InvalidInput, NotFound, TooLarge
from core.launchers import TenantLookup
from core.rest_model import needs_body
from server.auth.route_rules import TENANT_PARAMETER
from server.auth.stack import AuthStack
from server.engine.repeats import HEADER, Repeats
from server.observability.calls import CallObservers, Endpoint, WatchedCall, text_of
from server.rest_api import error_mapping
from server.rest_api.entrance import Entrance
from server.rest_api.path_segments import plain
from server.rest_api.repeats import repeatable
from server.rest_api.text_gate import body_text

MAX_BODY_BYTES = 2 * 1024 * 1024
"""Twice the largest payload: room for the fields around it."""

Responder = Callable[..., Awaitable[None]]
Request = falcon.asgi.Request
Response = falcon.asgi.Response


class Guard:
    """What stands before every route of a process."""

    def __init__(self, auth: AuthStack, tenants: TenantLookup, observers: CallObservers, repeats: Repeats) -> None:
        """Take the checks, what resolves tenants in paths, who observes calls, and what makes them repeatable."""
        self._auth = auth
        self._tenants = tenants
        self._observers = observers
        self._repeats = repeats

    def responder(self, route: RestRoute) -> Responder:
        """Return the route's responder: who calls, may they, what do they send, then the handler."""
        endpoint = _endpoint(route)
        entrance = Entrance(route, self._auth, self._tenants)
        handler = repeatable(route, self._repeats)

        async def respond(_resource: object, request: Request, response: Response, **parameters: Any) -> None:
            parameters = {name: plain(value) for name, value in parameters.items()}
            watched = self._observers.watch(endpoint, request.remote_addr or "")
            if watched is None:
                await _checked(entrance, request, parameters, None)
                response.status = route.status
                await handler(request, response, **parameters)
                return
            watched.resource_id = text_of(parameters, route.resource_id)
            try:
                await _checked(entrance, request, parameters, watched)
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
    entrance: Entrance, request: Request, parameters: dict[str, Any], watched: WatchedCall | None
) -> None:
    """Admit the caller, then check what it sends."""
    identity, tenant_id = await entrance.admitted(request, parameters, watched)
    parameters.pop(TENANT_PARAMETER, None)
    if any("\x00" in value for value in parameters.values()):
        raise NotFound("there is nothing here: a part of the path holds a NUL character, which no name can hold")
    context = request.context
    context.identity = identity
    context.tenant_id = tenant_id
    route = entrance.route
    if route.query_model is not None:
        context.query = _fitting(route.query_model, request.params, "the query string")
    if route.request_model is not None:
        context.body = await _body(request, route.request_model)


async def _body(request: Request, model: type[BaseModel]) -> BaseModel:
    data = await request.stream.read(MAX_BODY_BYTES + 1)
    if len(data) > MAX_BODY_BYTES:
        raise TooLarge(f"the body is larger than {MAX_BODY_BYTES} bytes")
    if HEADER in request.headers_lower:
        request.context.sent = data
    if not data and not needs_body(model):
        data = b"{}"
    text = body_text(data, request.content_type)
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidInput("the body is not valid JSON") from None
    if "\\u" in text and (place := half_character(parsed, "the body")):
        raise InvalidInput(f"{place} holds half of a character (a lone surrogate), which cannot be stored")
    return _fitting(model, parsed, "the body")


def _fitting(model: type[BaseModel], data: Any, what: str) -> BaseModel:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg']}" for each in error.errors())
        raise InvalidInput(f"{what} does not fit: " + "; ".join(problems)) from None
    except RecursionError:
        raise InvalidInput(f"{what} is nested too deeply") from None
