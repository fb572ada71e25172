"""Tenants; implements ``core.launchers.TenantLookup``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from uuid import UUID

import psycopg

from core.batching import Batcher
from core.errors import AlreadyExists
from core.named_queries import joined, named_queries
from core.paging import PageMembers, Paging, Position
from core.plugin_services import Database
from core.tenant import NewTenant, Tenant
from server.storage.columns import columns
from server.storage.lists import ListStatements
from server.storage.rows import read, record_row

_SQL = named_queries(__package__, "tenants.sql")
_LIST = ListStatements(_SQL, "reading its pages")
_TENANT = record_row(Tenant)
_COLUMNS = [field.name for field in fields(NewTenant)]


def _position(tenant: Tenant) -> Position:
    assert tenant.created_at is not None  # of a tenant that is stored
    return tenant.created_at, tenant.id


class TenantRepository:
    """Reads and writes ``tenant``.

    Concurrent look-ups are one statement. Callers choose the names that are looked up: with a statement for each name,
    they would decide how many statements the database runs.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lookups: Batcher[UUID | str, Tenant | None] = Batcher(self._named, name="tenant_lookups")

    async def create(self, tenants: Sequence[NewTenant]) -> list[Tenant]:
        """Insert tenants and return them; tenants whose id or slug exists are left out."""
        return await read(self._database, _TENANT, _SQL["create"], columns(tenants, *_COLUMNS))

    async def upsert(self, tenants: Sequence[NewTenant]) -> None:
        """Insert tenants, or update the tenants of the same ids.

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
        """Return the tenant of an id; None when it does not exist."""
        return await self._lookups.submit(tenant_id)

    async def by_slug(self, slug: str) -> Tenant | None:
        """Return the tenant of a slug; None when it does not exist."""
        return await self._lookups.submit(slug)

    async def _named(self, names: Sequence[UUID | str]) -> list[Tenant | None]:
        ids = [name for name in names if isinstance(name, UUID)]
        slugs = [name for name in names if isinstance(name, str)]
        found = await read(self._database, _TENANT, _SQL["named"], {"ids": ids, "slugs": slugs})
        tenants: dict[UUID | str, Tenant] = {tenant.id: tenant for tenant in found}
        tenants |= {tenant.slug: tenant for tenant in found}
        return [tenants.get(name) for name in names]

    async def oldest(self, limit: int) -> list[Tenant]:
        """Return the tenants that were created first."""
        return await read(self._database, _TENANT, joined(_SQL, ["page", "ordered"]), {"limit": limit, "offset": 0})

    async def page(self, paging: Paging) -> tuple[list[Tenant], PageMembers]:
        """Return a page of all tenants, oldest first, and the members of its answer.

        Raises:
            TooBroad: the exact count takes too long.
        """
        tenants = await _LIST.page(self._database, _TENANT, {}, paging)
        return await paging.page(tenants, _position, _LIST.counter(self._database, {}))
