"""The identity of a caller: the principal that an authenticator found for a request's credentials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID


class PrincipalType(StrEnum):
    """Kind of principal; the configuration writes it with this capital letter."""

    USER = "User"
    WORKER = "Worker"
    SERVICE = "Service"
    ANONYMOUS = "Anonymous"


class Role(StrEnum):
    """Role of a principal. ``OPERATOR`` and ``SCRAPER`` belong to no tenant; the others are roles inside one.

    A ``SCRAPER`` may read the metrics of the server and nothing else.
    """

    OWNER = "OWNER"
    ADMIN = "ADMIN"
    MEMBER = "MEMBER"
    OPERATOR = "OPERATOR"
    SCRAPER = "SCRAPER"


@dataclass(frozen=True, slots=True)
class Identity:
    """An authenticated principal.

    Attributes:
        principal_type: user, worker, service or anonymous.
        id: the principal's own name for logs and audit, such as ``api:test``; never a secret.
        tenant_id: the one tenant the principal belongs to; None for operators and anonymous callers.
        role: the principal's role, where it has one.
        attributes: further claims, for authorizers of plugins.
    """

    principal_type: PrincipalType
    id: str
    tenant_id: UUID | None = None
    role: Role | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_operator(self) -> bool:
        """Whether the principal administers the server rather than one tenant."""
        return self.role is Role.OPERATOR and self.tenant_id is None


ANONYMOUS = Identity(PrincipalType.ANONYMOUS, "anonymous")
