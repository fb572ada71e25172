"""The contract of an authorizer."""

from __future__ import annotations

from abc import ABC, abstractmethod

from core.auth.context import AuthzContext, Decision


class Authorizer(ABC):
    """Decides whether a known caller may act; asked once for every REST request and gRPC call."""

    @abstractmethod
    async def authorize(self, context: AuthzContext) -> Decision:
        """Return the decision. An exception counts as a refusal."""
