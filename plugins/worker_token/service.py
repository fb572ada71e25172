"""Makes, lists, rotates and revokes worker tokens.

A worker may not: a stolen worker's token must not create others that outlive its revocation. The authorizer ``roles``
enforces that; ``tenant_scope``, the default, does not, so it is checked here once more.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from core.auth import Identity, IssuedToken, PrincipalType, TokenIssuer
from core.clock import Clock
from core.errors import AuthzError, InvalidInput, NotFound, NotOffered, WrongState
from core.paging import PageMembers, Paging
from plugins.worker_token.domain import (
    MAX_DESCRIPTION,
    MAX_DISPLAY_NAME,
    MAX_OVERLAP,
    TOKEN_PREFIX,
    GeneratedToken,
    NewWorkerToken,
    Rotation,
    WorkerToken,
)
from plugins.worker_token.grammar import TokenGrammar
from plugins.worker_token.hashing import TokenHasher
from plugins.worker_token.repository import WorkerTokenRepository

__all__ = ["NO_SECRET", "TOKEN_PREFIX", "GeneratedToken", "WorkerTokenService"]

NO_SECRET: Final = (
    "worker-token needs a secret of at least 32 characters: set WORKER_TOKEN_SECRET (openssl rand -base64 32 makes one)"  # noqa: S105
)


class WorkerTokenService(TokenIssuer):
    """The use cases of tokens, for REST, gRPC and the command line."""

    def __init__(
        self,
        grammar: TokenGrammar,
        hasher: TokenHasher,
        repository: WorkerTokenRepository,
        clock: Clock,
        changed: Callable[[UUID], None],
    ) -> None:
        self._grammar = grammar
        self._hasher = hasher
        self._repository = repository
        self._clock = clock
        self._changed = changed

    async def issue(self, tenant_id: UUID, display_name: str) -> IssuedToken:
        """Create a token; see ``core.auth.TokenIssuer``."""
        stored, generated = await self._create(tenant_id, display_name, "", None)
        return IssuedToken(stored.id, generated.token, stored.display_name)

    async def create(
        self,
        caller: Identity,
        tenant_id: UUID,
        display_name: str,
        description: str = "",
        expires_at: datetime | None = None,
    ) -> tuple[WorkerToken, GeneratedToken]:
        """Create a token and return it as stored and as shown once.

        Raises:
            AuthzError: the caller is a worker.
            InvalidInput: a text is not valid, or the end is not in the future.
            NotOffered: no secret is configured.
            NotFound: the tenant does not exist.
        """
        _refuse_workers(caller, "create")
        return await self._create(tenant_id, display_name, description, expires_at)

    async def page(
        self, tenant_id: UUID, limit: int, offset: int, *, include_revoked: bool
    ) -> tuple[list[WorkerToken], int]:
        """Return a page of the tenant's tokens, oldest first, and how many there are."""
        tokens = await self._repository.page(tenant_id, limit, offset, include_revoked=include_revoked)
        return tokens, await self._repository.count(tenant_id, include_revoked=include_revoked)

    async def list(
        self, tenant_id: UUID, paging: Paging, *, include_revoked: bool
    ) -> tuple[list[WorkerToken], PageMembers]:
        """Return a page of the tenant's tokens, oldest first, and the members of its answer."""
        tokens = await self._repository.page(
            tenant_id, paging.fetched, paging.offset, paging.after, include_revoked=include_revoked
        )

        async def counted(most: int | None) -> int:
            return await self._repository.count(tenant_id, most, include_revoked=include_revoked)

        return await paging.page(tokens, lambda token: (token.created_at, token.id), counted)

    async def get(self, tenant_id: UUID, token_id: UUID) -> WorkerToken:
        """Return a token, revoked ones too.

        Raises:
            NotFound: the tenant has none of this id.
        """
        return _found(await self._repository.get(tenant_id, token_id), token_id)

    async def rotate(
        self, caller: Identity, tenant_id: UUID, token_id: UUID, overlap: timedelta
    ) -> tuple[WorkerToken, GeneratedToken]:
        """Give a token a new secret; the old one stays valid for ``overlap``, an even older one does not.

        Raises:
            AuthzError: the caller is a worker.
            InvalidInput: the overlap is not between 0 and ``MAX_OVERLAP``.
            NotOffered: no secret is configured.
            NotFound: the tenant has none of this id.
            WrongState: it is revoked or expired, or another call is rotating it.
        """
        _refuse_workers(caller, "rotate")
        if not timedelta() <= overlap <= MAX_OVERLAP:
            raise InvalidInput(f"overlapSeconds must be from 0 to {int(MAX_OVERLAP.total_seconds())}")
        self._require_secret()
        before = _rotatable(await self.get(tenant_id, token_id), self._clock.now())
        made = self._grammar.generate()
        ends = self._clock.now() + overlap
        rotation = Rotation(tenant_id, token_id, before.rotated_at, made.prefix, self._hasher.hash(made.token), ends)
        after = await self._repository.rotate(rotation)
        if after is None:
            _rotatable(await self.get(tenant_id, token_id), self._clock.now())
            raise WrongState(f"the worker token {token_id} is being rotated by another call; check it, then try again")
        self._changed(token_id)
        return after, made

    async def revoke(self, caller: Identity, tenant_id: UUID, token_id: UUID) -> WorkerToken:
        """Revoke a token; doing so again changes nothing.

        Raises:
            AuthzError: the caller is a worker.
            NotFound: the tenant has none of this id.
        """
        _refuse_workers(caller, "revoke")
        revoked = _found(await self._repository.revoke(tenant_id, token_id), token_id)
        self._changed(token_id)
        return revoked

    async def _create(
        self, tenant_id: UUID, display_name: str, description: str, expires_at: datetime | None
    ) -> tuple[WorkerToken, GeneratedToken]:
        if not display_name:
            raise InvalidInput("displayName is required")
        _check_text(display_name, "displayName", MAX_DISPLAY_NAME)
        _check_text(description, "description", MAX_DESCRIPTION)
        if expires_at is not None and expires_at <= self._clock.now():
            raise InvalidInput("expiresAt must be in the future")
        self._require_secret()
        made = self._grammar.generate()
        new = NewWorkerToken(
            id=uuid4(),
            tenant_id=tenant_id,
            display_name=display_name,
            description=description,
            token_prefix=made.prefix,
            token_hash=self._hasher.hash(made.token),
            expires_at=expires_at,
        )
        return (await self._repository.create([new]))[0], made

    def _require_secret(self) -> None:
        if not self._hasher.ready:
            raise NotOffered(NO_SECRET)


def _refuse_workers(caller: Identity, action: str) -> None:
    if caller.principal_type is PrincipalType.WORKER:
        raise AuthzError(f"Worker may not {action} worker-token")


def _check_text(text: str, field: str, longest: int) -> None:
    if len(text) > longest or "\x00" in text:
        raise InvalidInput(f"{field} may have up to {longest} characters, none of them NUL")


def _found(token: WorkerToken | None, token_id: UUID) -> WorkerToken:
    if token is None:
        raise NotFound(f"there is no worker token {token_id}")
    return token


def _rotatable(token: WorkerToken, now: datetime) -> WorkerToken:
    if token.revoked_at is not None:
        raise WrongState(f"the worker token {token.id} is revoked; create a new one")
    if token.expires_at is not None and token.expires_at <= now:
        raise WrongState(f"the worker token {token.id} has expired; create a new one")
    return token
