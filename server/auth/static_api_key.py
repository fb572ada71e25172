"""Keys that stand in the configuration. A key may look like anything, even like another kind of token."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from core.auth import NOT_MY_KIND, Authenticator, AuthRequest, AuthResponse, Identity
from server.config.auth import StaticApiKey


class StaticApiKeyAuthenticator(Authenticator):
    """Looks keys up by their digest, so that the time taken says nothing about a key."""

    def __init__(self, keys: Iterable[StaticApiKey]) -> None:
        """Take the keys of the configuration."""
        self._known = {_digest(key.key.get_secret_value()): AuthResponse(_identity(key)) for key in keys}

    async def authenticate(self, request: AuthRequest) -> AuthResponse:
        """Return the key's principal; a key that is not in the table may be another authenticator's."""
        token = request.bearer
        return NOT_MY_KIND if token is None else self._known.get(_digest(token), NOT_MY_KIND)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _identity(key: StaticApiKey) -> Identity:
    return Identity(key.principal_type, key.principal_id, key.tenant_id, key.role)
