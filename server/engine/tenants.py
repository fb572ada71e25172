"""The creation of tenants."""

from __future__ import annotations

from uuid import uuid4

from core.errors import AlreadyExists, InvalidInput
from core.tenant import NewTenant, Tenant, check_slug
from server.storage.tenants import TenantRepository


async def create_tenant(
    tenants: TenantRepository, slug: str, name: str, tier: str = "FREE", region: str | None = None
) -> Tenant:
    """Create a tenant; return the existing one if it has the same slug, name, tier and region.

    Raises:
        InvalidInput: the slug or a text is not valid.
        AlreadyExists: another tenant has the slug.
    """
    for text in (name, tier, region or ""):
        if "\x00" in text:
            raise InvalidInput("a text holds a NUL character, which cannot be stored")
    created = await tenants.create([NewTenant(uuid4(), check_slug(slug), name, tier, region)])
    if not created:
        existing = await tenants.by_slug(slug)
        if existing is not None and (existing.name, existing.tier, existing.region) == (name, tier, region):
            return existing
        raise AlreadyExists(f"the slug {slug!r} is taken by another tenant; choose another")
    return created[0]
