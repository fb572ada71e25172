"""Admits users by the tokens that their identity provider signed."""

from __future__ import annotations

import hashlib
import logging

from core.auth import NOT_MY_KIND, Authenticator, AuthRequest, AuthResponse
from core.clock import Clock
from core.launchers import TenantLookup
from plugins.jwt.claims import ClaimRules
from plugins.jwt.config import JwtConfig
from plugins.jwt.domain import JwtRefused
from plugins.jwt.identity import Identities
from plugins.jwt.refusals import RefusalLog
from plugins.jwt.token import looks_like_jwt, parse
from plugins.jwt.verified import VerifiedTokens
from plugins.jwt.verifier import Verifier


class JwtAuthenticator(Authenticator):
    """A bearer token in the shape of a JWT is verified and admitted, or refused; any other is left to others."""

    def __init__(
        self,
        config: JwtConfig,
        verifier: Verifier | None,
        tenants: TenantLookup,
        clock: Clock,
        logger: logging.Logger,
    ) -> None:
        self._verifier = verifier
        self._rules = ClaimRules(config)
        self._identities = Identities(config, tenants)
        self._clock = clock
        self._refusals = RefusalLog(logger)
        self._verified = VerifiedTokens()

    async def authenticate(self, request: AuthRequest) -> AuthResponse:
        """Return the token's user."""
        token = request.bearer
        if token is None or not looks_like_jwt(token):
            return NOT_MY_KIND
        now = self._clock.now().timestamp()
        digest = hashlib.sha256(token.encode("ascii")).digest()
        known = self._verified.get(digest, now)
        if known is not None:
            return known
        try:
            answer, expires = await self._check(token, now)
        except JwtRefused as error:
            self._refusals.note(error.refusal, now)
            raise
        self._verified.put(digest, answer, now, expires)
        return answer

    async def _check(self, text: str, now: float) -> tuple[AuthResponse, float]:
        token = parse(text)
        if self._verifier is not None:
            await self._verifier.verify(token)
        claims = token.claims()
        expires = self._rules.check(claims, now)
        return AuthResponse(await self._identities.of(claims)), expires
