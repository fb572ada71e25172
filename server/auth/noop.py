"""Admits everybody; the configuration must ask for it by name."""

from __future__ import annotations

from core.auth import Authenticator, AuthRequest, AuthResponse, Identity


class NoopAuthenticator(Authenticator):
    """Says that every caller is the anonymous one, whatever credentials come along."""

    def __init__(self, anonymous: Identity) -> None:
        """Take who that is."""
        self._response = AuthResponse(anonymous)

    async def authenticate(self, request: AuthRequest) -> AuthResponse:
        """Return the anonymous caller."""
        return self._response
