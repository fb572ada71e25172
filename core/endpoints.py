"""REST routes and gRPC services as plain values, the same for the core and for plugins.

A route or method always names the action and the resource that the authorizer is asked about:
there is no way to declare an endpoint that nobody guards.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from core.auth import Action, Identity

RestHandler = Callable[..., Awaitable[None]]
"""``async def handler(request, response, **path_parameters)`` with falcon's ASGI request and response.

The server has put the caller's ``Identity`` into ``request.context.identity``, and the validated
body into ``request.context.body`` when the route has a ``request_model``."""


@dataclass(frozen=True, slots=True)
class RestRoute:
    """One REST endpoint.

    Attributes:
        method: ``GET``, ``POST``, ``PUT``, ``PATCH`` or ``DELETE``.
        path: relative to the plugin's place for a plugin (``/tokens/{id}`` is served at
            ``/api/v1/p/<plugin>/tokens/{id}``); absolute for the core. Parameters are written ``{id}``.
            A core path's ``{slug}`` is a tenant's slug or UUID, resolved before the handler runs.
        handler: see ``RestHandler``.
        action: what the caller does, for the authorizer.
        resource: to what kind of thing.
        summary: one line for people.
        request_model: model of the JSON body; a body that does not fit is answered with 400.
        server_wide: the route concerns the server, not a tenant; only an operator passes.
    """

    method: str
    path: str
    handler: RestHandler
    action: Action
    resource: str
    summary: str
    request_model: type[BaseModel] | None = None
    server_wide: bool = False


GrpcHandler = Callable[[Any, Identity], Awaitable[Any]]
"""``async def handler(request_message, identity) -> response_message``; errors are ``FlovynError``s."""


@dataclass(frozen=True, slots=True)
class GrpcMethod:
    """One unary gRPC method: its handler and what the authorizer is asked about.

    ``undelivered`` gets an answer that the caller did not wait for, where that answer must be taken back.
    """

    handler: GrpcHandler
    action: Action
    resource: str
    undelivered: Callable[[Any], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class GrpcService:
    """A gRPC service.

    Attributes:
        descriptor: the service's descriptor in the generated module
            (``token_pb2.DESCRIPTOR.services_by_name["TokenService"]``).
        methods: the methods on offer by name; others of the descriptor answer UNIMPLEMENTED.
    """

    descriptor: Any
    methods: Mapping[str, GrpcMethod]
