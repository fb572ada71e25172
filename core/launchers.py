"""What a plugin may ask the engine for, as protocols: plugins never see the server itself."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from core.domain.tenant import Tenant


class TenantLookup(Protocol):
    """Finds tenants."""

    async def by_id(self, tenant_id: UUID) -> Tenant | None:
        """Return the tenant, or None when there is none of that id."""

    async def by_slug(self, slug: str) -> Tenant | None:
        """Return the tenant, or None when there is none of that slug."""
