"""Tenants in the database; implements ``core.launchers.TenantLookup``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg

from core.batching import Batcher
from core.errors import AlreadyExists
from core.named_queries import named_queries
from core.plugin_services import Database
from core.tenant import NewTenant, Tenant
from server.storage.columns import columns

_SQL = named_queries(__package__, "tenants.sql")
_COLUMNS = ("id", "slug", "name", "tier", "region")


class TenantRepository:
    """Reads and writes ``tenant``.

    Concurrent look-ups are one statement: callers choose the names that are looked up, so their number must not be that
    of statements.
    """

    def __init__(self, database: Database) -> None:
        """Take the pool."""
        self._database = database
        self._lookups: Batcher[UUID | str, Tenant | None] = Batcher(self._named)

    async def create(self, tenants: Sequence[NewTenant]) -> list[Tenant]:
        """Insert tenants; those whose id or slug exists are missing from the result."""
        return await self._tenants("create", columns(tenants, *_COLUMNS))

    async def upsert(self, tenants: Sequence[NewTenant]) -> None:
        """Make tenants exist just as they are described, by id.

        Raises:
            AlreadyExists: a slug is taken by a tenant of another id.
        """
        if not tenants:
            return
        async with self._database.connection() as connection:
            try:
                await connection.execute(_SQL["upsert"], columns(tenants, *_COLUMNS))
            except psycopg.errors.UniqueViolation:
                slugs = ", ".join(tenant.slug for tenant in tenants)
                raise AlreadyExists(f"one of the slugs {slugs} is taken by a tenant of another id") from None

    async def by_id(self, tenant_id: UUID) -> Tenant | None:
        """Return the tenant of this id."""
        return await self._lookups.submit(tenant_id)

    async def by_slug(self, slug: str) -> Tenant | None:
        """Return the tenant of this slug."""
        return await self._lookups.submit(slug)

    async def _named(self, names: Sequence[UUID | str]) -> list[Tenant | None]:
        ids = [name for name in names if isinstance(name, UUID)]
        slugs = [name for name in names if isinstance(name, str)]
        found = await self._tenants("named", {"ids": ids, "slugs": slugs})
        tenants: dict[UUID | str, Tenant] = {tenant.id: tenant for tenant in found}
        tenants |= {tenant.slug: tenant for tenant in found}
        return [tenants.get(name) for name in names]

    async def page(self, limit: int, offset: int) -> tuple[list[Tenant], int]:
        """Return a page of all tenants, oldest first, and how many there are."""
        tenants = await self._tenants("page", {"limit": limit, "offset": offset})
        async with self._database.connection() as connection:
            row = await (await connection.execute(_SQL["count"])).fetchone()
        return tenants, row[0]

    async def _tenants(self, query: str, parameters: dict[str, Any]) -> list[Tenant]:
        async with self._database.connection() as connection:
            rows = await (await connection.execute(_SQL[query], parameters)).fetchall()
        return [Tenant(*row) for row in rows]
