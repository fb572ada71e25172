"""``/api/v1/tenants``: operators create and list tenants; a caller may read its own tenant."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import falcon.asgi

from core.auth import Action
from core.endpoints import Repeat, RestRoute, Scope
from core.paging import CursorPage, CursorQuery, Cursors
from core.rest_model import RestModel, Text
from core.tenant import Tenant
from server.engine.tenants import create_tenant
from server.storage.tenants import TenantRepository

TAG = "tenants"


class CreateTenant(RestModel):
    """A tenant to create."""

    name: Text
    slug: Text
    tier: Text = "FREE"
    region: Text | None = None


class TenantBody(RestModel):
    """A tenant."""

    id: UUID
    slug: str
    name: str
    tier: str
    region: str | None
    created_at: datetime | None

    @classmethod
    def of(cls, tenant: Tenant) -> TenantBody:
        """Return the body of a tenant."""
        return cls(
            id=tenant.id,
            slug=tenant.slug,
            name=tenant.name,
            tier=tenant.tier,
            region=tenant.region,
            created_at=tenant.created_at,
        )


class TenantList(CursorPage):
    """A page of tenants."""

    tenants: list[TenantBody]


class Tenants:
    """Routes and handlers of tenants."""

    def __init__(self, tenants: TenantRepository, cursors: Cursors) -> None:
        self._tenants = tenants
        self._cursors = cursors

    def routes(self) -> list[RestRoute]:
        """Return the routes."""
        base, older = "/api/v1/tenants", ("/api/tenants", "/api/orgs")
        return [
            RestRoute(
                "POST",
                base,
                self.create,
                Action.CREATE,
                "tenant",
                "Create a tenant",
                request_model=CreateTenant,
                response_model=TenantBody,
                status=201,
                scope=Scope.SERVER,
                aliases=older,
                tag=TAG,
                repeat=Repeat.SAME,
            ),
            RestRoute(
                "GET",
                base,
                self.list,
                Action.VIEW,
                "tenant",
                "List tenants, oldest first",
                query_model=CursorQuery,
                response_model=TenantList,
                scope=Scope.SERVER,
                aliases=older,
                tag=TAG,
            ),
            RestRoute(
                "GET",
                base + "/{slug}",
                self.get,
                Action.VIEW,
                "tenant",
                "Get a tenant by slug or id",
                response_model=TenantBody,
                aliases=tuple(f"{each}/{{slug}}" for each in older),
                tag=TAG,
            ),
        ]

    async def create(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Create a tenant: 201, or 409 when another tenant has the slug."""
        body: CreateTenant = request.context.body
        tenant = await create_tenant(self._tenants, body.slug, body.name, body.tier, body.region)
        response.set_header("location", f"/api/v1/tenants/{tenant.slug}")
        response.media = TenantBody.of(tenant).as_json()

    async def list(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """List tenants, oldest first."""
        query: CursorQuery = request.context.query
        tenants, members = await self._tenants.page(await self._cursors.paging(TenantList.__name__, None, query))
        response.media = TenantList(tenants=[TenantBody.of(each) for each in tenants], **members).as_json()

    async def get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Return a tenant: to its own callers, and to operators."""
        tenant = await self._tenants.by_id(request.context.tenant_id)
        assert tenant is not None  # the guard has just found it
        response.media = TenantBody.of(tenant).as_json()
