"""Turns the claims of a verified token into the principal that the server knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from core.auth import Identity, PrincipalType, Role
from core.launchers import TenantLookup
from core.tenant import Tenant, is_slug
from plugins.jwt.claims import find
from plugins.jwt.config import JwtConfig
from plugins.jwt.domain import JwtRefused, Refusal

MAX_TEXT: Final = 255
_ROLES: Final[Mapping[str, Role]] = {role.value: role for role in (Role.OWNER, Role.ADMIN, Role.MEMBER)}
"""OPERATOR is missing on purpose: who administers the server is said by its configuration, never by a token."""


class Identities:
    """Finds the principal behind claims."""

    def __init__(self, config: JwtConfig, tenants: TenantLookup) -> None:
        self._config = config
        self._tenants = tenants

    async def of(self, claims: Mapping[str, Any]) -> Identity:
        """Return the user of the tenant that the token names.

        Raises:
            JwtRefused: the token names no subject, no tenant of this server, or a role that does not exist here.
            Unavailable: the database cannot be asked for the tenant.
        """
        subject = find(claims, self._config.subject_claim)
        if not _is_text(subject):
            raise JwtRefused(Refusal.CLAIMS)
        role = _role(find(claims, self._config.role_claim))
        tenant = await self._tenant(claims)
        more = {"name": find(claims, self._config.name_claim), "email": find(claims, self._config.email_claim)}
        attributes = {key: text for key, text in more.items() if _is_text(text)}
        return Identity(PrincipalType.USER, subject, tenant.id, role, attributes)

    async def _tenant(self, claims: Mapping[str, Any]) -> Tenant:
        """Return the tenant; where slug and id are both given, they must mean the same one."""
        slug = find(claims, self._config.tenant_slug_claim)
        given = find(claims, self._config.tenant_id_claim)
        tenant = await self._by_slug(slug) if given is None else await self._by_id(given)
        if tenant is None or (slug is not None and slug != tenant.slug):
            raise JwtRefused(Refusal.TENANT)
        return tenant

    async def _by_slug(self, slug: Any) -> Tenant | None:
        return await self._tenants.by_slug(slug) if isinstance(slug, str) and is_slug(slug) else None

    async def _by_id(self, given: Any) -> Tenant | None:
        try:
            return await self._tenants.by_id(UUID(given)) if isinstance(given, str) else None
        except ValueError:
            return None


def _role(value: Any) -> Role:
    """Return the role in any case; none at all is the least, MEMBER.

    A role that is not known here may be less than a member (suspended, billing): it is refused rather than guessed at,
    because the default authorizer lets every principal do everything in its tenant.

    Raises:
        JwtRefused: there is a role, and it is not one of a tenant's.
    """
    if value is None:
        return Role.MEMBER
    role = _ROLES.get(value.upper()) if isinstance(value, str) and value.isascii() else None
    if role is None:
        raise JwtRefused(Refusal.ROLE)
    return role


def _is_text(value: Any) -> bool:
    """Whether the value can be stored and shown as a name."""
    return isinstance(value, str) and 0 < len(value) <= MAX_TEXT and value.isprintable()
