"""Creating tenants."""

from __future__ import annotations

from uuid import uuid4

from core.errors import AlreadyExists, InvalidInput
from core.tenant import NewTenant, Tenant, check_slug
from server.storage.tenants import TenantRepository


async def create_tenant(
    tenants: TenantRepository, slug: str, name: str, tier: str = "FREE", region: str | None = None
) -> Tenant:
    """Create a tenant, or find the one of this slug that is the same in all else.

    Raises:
        InvalidInput: the slug or a text is not valid.
        AlreadyExists: the slug is taken by a tenant that differs.
    """
    for text in (name, tier, region or ""):
        if "\x00" in text:
            raise InvalidInput("a text holds a NUL character, which cannot be stored")
    created = await tenants.create([NewTenant(uuid4(), check_slug(slug), name, tier, region)])
    if not created:
        found = await tenants.by_slug(slug)
        if found is not None and (found.name, found.tier, found.region) == (name, tier, region):
            return found
        raise AlreadyExists(f"the slug {slug!r} is taken by another tenant; choose another")
    return created[0]
