"""``/api/v1/tenants``: operators create and list tenants; everybody may look at their own."""

from __future__ import annotations

from typing import Annotated, Any

import falcon.asgi
from pydantic import BaseModel, ConfigDict, Field

from core.auth import Action
from core.domain.tenant import Tenant
from core.endpoints import RestRoute
from server.engine.tenants import create_tenant
from server.rest_api.pagination import page_of
from server.storage.tenants import TenantRepository

DEFAULT_LIMIT = 50
Text = Annotated[str, Field(min_length=1, max_length=255)]


class CreateTenant(BaseModel):
    """Body of ``POST /api/v1/tenants``."""

    model_config = ConfigDict(extra="forbid")

    name: Text
    slug: Text
    tier: Text = "FREE"
    region: Text | None = None


class Tenants:
    """The handlers."""

    def __init__(self, tenants: TenantRepository) -> None:
        """Take where tenants are stored."""
        self._tenants = tenants

    def routes(self) -> list[RestRoute]:
        """Return the routes."""
        base = "/api/v1/tenants"
        return [
            RestRoute(
                "POST", base, self.create, Action.CREATE, "tenant", "Create a tenant", CreateTenant, server_wide=True
            ),
            RestRoute("GET", base, self.list, Action.VIEW, "tenant", "List tenants", server_wide=True),
            RestRoute("GET", base + "/{slug}", self.get, Action.VIEW, "tenant", "Get a tenant by slug or id"),
        ]

    async def create(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Create a tenant: 201, or 409 when the slug is taken."""
        body: CreateTenant = request.context.body
        tenant = await create_tenant(self._tenants, body.slug, body.name, body.tier, body.region)
        response.status = 201
        response.set_header("location", f"/api/v1/tenants/{tenant.slug}")
        response.media = _json(tenant)

    async def list(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """List tenants, oldest first."""
        limit, offset = page_of(request, DEFAULT_LIMIT)
        tenants, total = await self._tenants.page(limit, offset)
        response.media = {
            "tenants": [_json(each) for each in tenants],
            "total": total,
            "limit": limit,
            "offset": offset,
        }

    async def get(self, request: falcon.asgi.Request, response: falcon.asgi.Response, slug: str) -> None:
        """Return the caller's own tenant, or any to an operator."""
        tenant = await self._tenants.by_id(request.context.tenant_id)
        assert tenant is not None  # the guard has just found it
        response.media = _json(tenant)


def _json(tenant: Tenant) -> dict[str, Any]:
    return {
        "id": str(tenant.id),
        "slug": tenant.slug,
        "name": tenant.name,
        "tier": tenant.tier,
        "region": tenant.region,
        "createdAt": tenant.created_at.isoformat().replace("+00:00", "Z") if tenant.created_at else None,
    }
