"""Admits workers by their tokens."""

from __future__ import annotations

from core.auth import NOT_MY_KIND, Authenticator, AuthRequest, AuthResponse, Identity, PrincipalType
from plugins.worker_token.service import WorkerTokenService


class WorkerTokenAuthenticator(Authenticator):
    """A bearer token with the prefix of worker tokens is one, or is refused; any other is left to others."""

    def __init__(self, service: WorkerTokenService) -> None:
        """Take what checks tokens."""
        self._service = service

    async def authenticate(self, request: AuthRequest) -> AuthResponse:
        """Return the worker of the token's tenant."""
        token = request.bearer
        if token is None or not self._service.is_token(token):
            return NOT_MY_KIND
        stored = await self._service.verify(token)
        return AuthResponse(Identity(PrincipalType.WORKER, f"worker-token:{stored.id}", stored.tenant_id))
