"""The contract of an authenticator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from core.auth.identity import Identity
from core.auth.request import AuthRequest


@dataclass(frozen=True, slots=True)
class AuthResponse:
    """The answer of an authenticator: the identity, or None for "not my kind of credentials"."""

    identity: Identity | None


NOT_MY_KIND = AuthResponse(None)


class Authenticator(ABC):
    """Finds out who calls. One instance serves every call of a process; keep no state per call."""

    @abstractmethod
    async def authenticate(self, request: AuthRequest) -> AuthResponse:
        """Return the identity behind the request's credentials.

        Return ``NOT_MY_KIND`` when the credentials are absent or of another kind: the next
        authenticator of the configured list is asked.

        Raises:
            AuthError: the credentials are of this kind and wrong; no other authenticator is asked.
        """
