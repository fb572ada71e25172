"""The contract of a plugin that can issue credentials for workers.

It lets ``flovyn-server token create`` and ``flovyn-server dev`` make a token
without the server knowing the plugin.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new credential; ``token`` is the secret itself, shown once and hidden from ``repr``."""

    id: UUID
    token: str = field(repr=False)
    display_name: str


class TokenIssuer(ABC):
    """Issues worker credentials."""

    @abstractmethod
    async def issue(self, tenant_id: UUID, display_name: str) -> IssuedToken:
        """Create and store a credential of the tenant.

        Raises:
            FlovynError: the display name is not valid, or issuing is not configured.
        """
