"""BrowserSessions of browsers; see ``server.auth.sessions``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.named_queries import named_queries
from core.plugin_services import Database
from server.storage.columns import columns
from server.storage.rows import SCALAR, read, record_row

_SQL = named_queries(__package__, "browser_sessions.sql")


@dataclass(frozen=True, slots=True)
class SessionKey:
    """The name of a session: its tenant (the nil UUID without one) and the digest of its secret."""

    tenant_id: UUID
    secret_digest: bytes


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session to store: its key, the sealed credential, and the principal that opens it."""

    key: SessionKey
    sealed: bytes
    principal_type: str
    principal_id: str


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session that has not ended.

    Attributes:
        secret_digest: the digest of its secret.
        sealed: the sealed credential.
        expires_at: when it ends at the latest.
        is_noted_late: its last use that was noted is a minute ago.
    """

    secret_digest: bytes
    sealed: bytes
    expires_at: datetime
    is_noted_late: bool


_SESSION = record_row(StoredSession)


class SessionRepository:
    """Reads and writes ``session``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, session: NewSession, longest: float) -> datetime:
        """Store a session that ends after ``longest`` seconds at the latest; return that moment."""
        parameters = {
            "tenant_id": session.key.tenant_id,
            "secret_digest": session.key.secret_digest,
            "sealed": session.sealed,
            "principal_type": session.principal_type,
            "principal_id": session.principal_id,
            "longest": longest,
        }
        [expires_at] = await read(self._database, SCALAR, _SQL["open"], parameters)
        return expires_at  # type: ignore[no-any-return]

    async def use(self, keys: Sequence[SessionKey], idle: float) -> dict[bytes, StoredSession]:
        """Return the sessions of these keys by digest, without expired ones, and ones idle for ``idle`` seconds."""
        parameters = {**columns(keys, "tenant_id", "secret_digest"), "idle": idle}
        found = await read(self._database, _SESSION, _SQL["use"], parameters)
        return {session.secret_digest: session for session in found}

    async def note_use(self, keys: Sequence[SessionKey]) -> None:
        """Note that sessions are used now."""
        async with self._database.connection() as connection:
            await connection.execute(_SQL["note_use"], columns(keys, "tenant_id", "secret_digest"))

    async def end(self, key: SessionKey) -> None:
        """Delete a session."""
        async with self._database.connection() as connection:
            await connection.execute(_SQL["end"], {"tenant_id": key.tenant_id, "secret_digest": key.secret_digest})

    async def end_all(self, tenant_id: UUID, principal_type: str, principal_id: str) -> list[bytes]:
        """Delete all sessions of a principal; return their digests."""
        parameters = {"tenant_id": tenant_id, "principal_type": principal_type, "principal_id": principal_id}
        return await read(self._database, SCALAR, _SQL["end_all"], parameters)

    async def clean(self, limit: int = 1000) -> int:
        """Delete up to ``limit`` expired sessions; return how many."""
        return len(await read(self._database, SCALAR, _SQL["clean"], {"limit": limit}))
