"""The authenticators of the core."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from core.auth import NOT_MY_KIND, Authenticator, AuthRequest, AuthResponse, Identity
from server.config.auth import StaticApiKey


class StaticApiKeyAuthenticator(Authenticator):
    """Authenticates by the keys of the configuration, which may look like tokens of another authenticator.

    Keys are looked up by their digests, so that the time of a look-up says nothing about a key.
    """

    def __init__(self, keys: Iterable[StaticApiKey]) -> None:
        self._responses = {_digest(key.key.get_secret_value()): AuthResponse(_identity(key)) for key in keys}

    async def authenticate(self, request: AuthRequest) -> AuthResponse:
        """Return the principal of the key; an unknown key may be a token of another authenticator."""
        token = request.bearer
        return NOT_MY_KIND if token is None else self._responses.get(_digest(token), NOT_MY_KIND)


class NoopAuthenticator(Authenticator):
    """Authenticates every caller as one anonymous principal; only a configuration that names it uses it."""

    def __init__(self, anonymous: Identity) -> None:
        self._response = AuthResponse(anonymous)

    async def authenticate(self, request: AuthRequest) -> AuthResponse:
        """Return the anonymous principal, whatever the credentials are."""
        return self._response


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _identity(key: StaticApiKey) -> Identity:
    return Identity(key.principal_type, key.principal_id, key.tenant_id, key.role)
