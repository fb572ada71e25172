"""Admits workers by their tokens."""

from __future__ import annotations

from core.auth import NOT_MY_KIND, Authenticator, AuthRequest, AuthResponse
from plugins.worker_token.checker import TokenChecker


class WorkerTokenAuthenticator(Authenticator):
    """A bearer token with the prefix of worker tokens is one, or is refused; any other is left to others."""

    def __init__(self, checker: TokenChecker) -> None:
        self._checker = checker

    async def authenticate(self, request: AuthRequest) -> AuthResponse:
        """Return the worker of the token's tenant."""
        token = request.bearer
        if token is None or not self._checker.is_token(token):
            return NOT_MY_KIND
        return await self._checker.check(token, request.peer)
