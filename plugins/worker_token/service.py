"""Makes worker tokens and finds out whose they are."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from core.auth import IssuedToken, TokenIssuer
from core.clock import Clock
from core.errors import AuthError, InvalidInput, PluginError
from plugins.worker_token.config import MIN_SECRET, WorkerTokenConfig
from plugins.worker_token.domain import NewWorkerToken, WorkerToken
from plugins.worker_token.repository import WorkerTokenRepository

TOKEN_PREFIX: Final = "fwt_"  # noqa: S105 - begins every token, is none
PREFIX_LENGTH: Final = 16
"""Characters of a token that are stored in clear, to find and to show it."""
RANDOM_LENGTH: Final = 43
"""Base-62 characters after the prefix: 256 bits, of which 71 are stored in clear."""
MAX_DISPLAY_NAME: Final = 255

_ALPHABET: Final = string.ascii_letters + string.digits
_TOUCH_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class GeneratedToken:
    """A new token as it is shown once, and the part of it that is stored in clear."""

    token: str = field(repr=False)
    prefix: str


class WorkerTokenService(TokenIssuer):
    """Issues and checks worker tokens."""

    def __init__(self, config: WorkerTokenConfig, repository: WorkerTokenRepository, clock: Clock) -> None:
        """Take the settings, where tokens are stored, and the time."""
        self._config = config
        self._repository = repository
        self._clock = clock

    def require_secret(self) -> bytes:
        """Return the secret.

        Raises:
            PluginError: none is configured.
        """
        if self._config.secret is None:
            raise PluginError(
                f"worker-token needs a secret of at least {MIN_SECRET} characters: set WORKER_TOKEN_SECRET"
                " (openssl rand -base64 32 makes one), or leave worker_token out of auth.endpoints.*.authenticators"
            )
        return self._config.secret.get_secret_value().encode()

    async def issue(self, tenant_id: UUID, display_name: str) -> IssuedToken:
        """Create a token; see ``core.auth.TokenIssuer``."""
        stored, generated = await self.create(tenant_id, display_name)
        return IssuedToken(stored.id, generated.token, stored.display_name)

    async def create(self, tenant_id: UUID, display_name: str) -> tuple[WorkerToken, GeneratedToken]:
        """Create a token and return it as stored and as shown once.

        Raises:
            InvalidInput: the display name is not valid.
            PluginError: no secret is configured.
        """
        if not display_name or len(display_name) > MAX_DISPLAY_NAME or "\x00" in display_name:
            raise InvalidInput(f"displayName must have 1 to {MAX_DISPLAY_NAME} characters, none of them NUL")
        generated = self._generate()
        new = NewWorkerToken(uuid4(), tenant_id, display_name, generated.prefix, self._hash(generated.token))
        return (await self._repository.create([new]))[0], generated

    def is_token(self, text: str) -> bool:
        """Whether the text looks like a worker token."""
        return text.startswith(self._config.prefix)

    async def verify(self, token: str) -> WorkerToken:
        """Return what is stored of the token.

        Raises:
            AuthError: it is not one of ours, or revoked; the text does not say which.
        """
        prefix = token[:PREFIX_LENGTH]
        stored = await self._repository.by_prefix(prefix) if prefix.isascii() and "\x00" not in prefix else None
        matches = hmac.compare_digest(self._hash(token), stored.token_hash if stored else "")
        if stored is None or not matches or stored.revoked_at is not None:
            raise AuthError("the worker token is not valid")
        if stored.last_used_at is None or stored.last_used_at < self._clock.now() - _TOUCH_EVERY:
            await self._repository.touch(stored.tenant_id, stored.id)
        return stored

    def _generate(self) -> GeneratedToken:
        token = self._config.prefix + "".join(secrets.choice(_ALPHABET) for _ in range(RANDOM_LENGTH))
        return GeneratedToken(token, token[:PREFIX_LENGTH])

    def _hash(self, token: str) -> str:
        return hmac.new(self.require_secret(), token.encode(), hashlib.sha256).hexdigest()
