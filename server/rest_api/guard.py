"""Puts authentication, authorization and body checks in front of a route's handler."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import falcon.asgi
from pydantic import BaseModel, ValidationError

from core.auth import ANONYMOUS, AuthRequest, AuthzContext, Identity, Protocol
from core.domain.tenant import Tenant, is_slug
from core.endpoints import RestRoute
from core.errors import AuthzError, InvalidInput, NotFound, TooLarge
from core.launchers import TenantLookup
from server.auth.stack import AuthStack
from server.plugin_registry import REST_PREFIX

MAX_BODY_BYTES = 2 * 1024 * 1024
"""Twice the largest payload: room for the fields around it."""

TENANT_PARAMETER = "slug"

Responder = Callable[..., Awaitable[None]]


def guarded(route: RestRoute, auth: AuthStack, tenants: TenantLookup) -> Responder:
    """Return the route's responder: who calls, may they, what do they send, then the handler."""

    async def respond(
        _resource: object, request: falcon.asgi.Request, response: falcon.asgi.Response, **parameters: Any
    ) -> None:
        is_open = auth.is_open(request.path)
        identity = ANONYMOUS if is_open else await auth.authenticate(_auth_request(request))
        slug = None if route.path.startswith(REST_PREFIX) else parameters.get(TENANT_PARAMETER)
        tenant_id = await _tenant(route, identity, slug, tenants)
        if not is_open:
            await auth.authorize(AuthzContext(identity, route.action, route.resource, tenant_id))
        request.context.identity = identity
        request.context.tenant_id = tenant_id
        if route.request_model is not None:
            request.context.body = await _body(request, route.request_model)
        await route.handler(request, response, **parameters)

    return respond


def _auth_request(request: falcon.asgi.Request) -> AuthRequest:
    return AuthRequest(Protocol.REST, request.path, request.headers_lower, request.remote_addr or "")


async def _tenant(route: RestRoute, identity: Identity, slug: str | None, tenants: TenantLookup) -> UUID | None:
    """Return the tenant that the request concerns: the path's, or else the caller's own.

    A tenant that does not exist and one of somebody else look the same to a caller.
    """
    if route.server_wide:
        return None
    if slug is None:
        if identity.tenant_id is None:
            raise AuthzError("this call needs credentials of a tenant")
        return identity.tenant_id
    tenant = await _find_tenant(slug, tenants)
    if tenant is None or (identity.tenant_id is not None and identity.tenant_id != tenant.id):
        raise NotFound(f"there is no tenant {slug!r} that these credentials may see")
    return tenant.id


async def _find_tenant(name: str, tenants: TenantLookup) -> Tenant | None:
    """Return the tenant of a UUID or of a slug, which never look alike."""
    try:
        tenant_id = UUID(name)
    except ValueError:
        return await tenants.by_slug(name) if is_slug(name) else None
    return await tenants.by_id(tenant_id)


async def _body(request: falcon.asgi.Request, model: type[BaseModel]) -> BaseModel:
    data = await request.stream.read(MAX_BODY_BYTES + 1)
    if len(data) > MAX_BODY_BYTES:
        raise TooLarge(f"the body is larger than {MAX_BODY_BYTES} bytes")
    try:
        return model.model_validate(json.loads(data))
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg']}" for each in error.errors())
        raise InvalidInput("the body does not fit: " + "; ".join(problems)) from None
    except (ValueError, RecursionError):
        raise InvalidInput("the body is not valid JSON") from None
