"""BrowserSessions: a browser signs in with a credential once, and then names the session by a cookie.

A session has no rights of its own. It stands for the credential that opened it, and each of its calls is checked as a
call with that credential. So a session has the same rights at every path, and ends when the credential is revoked, has
expired or leaves the configuration.

The cookie holds a secret of 256 bits. The database holds the digest of the secret, and the credential encrypted with a
key that is made of the secret. A copy of the database admits no caller, and a cookie alone does not tell the
credential.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Final
from uuid import UUID

from core.auth import Identity
from core.batching import Batcher
from core.errors import FlovynError
from server.config.sessions import SessionSettings
from server.storage.browser_sessions import NewSession, SessionKey, SessionRepository, StoredSession

NO_TENANT: Final = UUID(int=0)
"""Stands for the tenant of a session whose principal has none."""

KEPT_S: Final = 10.0
"""Seconds for which a process knows a session without asking: a session that ends elsewhere ends here after them."""

MAX_KEPT: Final = 10_000
"""BrowserSessions that a process knows at most."""

_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Session:
    """An open session.

    Attributes:
        key: its name in the database.
        authorization: the ``authorization`` header of the credential that it stands for; not shown by ``repr``.
        expires_at: when it ends at the latest.
    """

    key: SessionKey
    authorization: str = field(repr=False)
    expires_at: datetime


class BrowserSessions:
    """The sessions of a deployment, as one process sees them."""

    def __init__(
        self, repository: SessionRepository, settings: SessionSettings, clock: Callable[[], float] = monotonic
    ) -> None:
        self._repository = repository
        self._settings = settings
        self._clock = clock
        self._kept: OrderedDict[bytes, tuple[float, Session | None]] = OrderedDict()
        self._lookups: Batcher[SessionKey, StoredSession | None] = Batcher(self._found, name="session_lookups")

    async def open(self, identity: Identity, authorization: str) -> tuple[str, datetime]:
        """Open a session for a caller; return the text of its cookie, and the moment at which it ends at the latest."""
        tenant_id, secret = identity.tenant_id or NO_TENANT, secrets.token_bytes(_SECRET_BYTES)
        key = SessionKey(tenant_id, _digest(secret))
        sealed = _sealed(authorization.encode(), secret)
        session = NewSession(key, sealed, identity.principal_type, identity.id)
        ends = await self._repository.open(session, self._settings.longest)
        return f"{tenant_id.hex}.{secret.hex()}", ends

    async def get(self, text: str) -> Session | None:
        """Return the session that a cookie names; None when it is none, or has ended.

        Raises:
            Unavailable: the database cannot be asked.
        """
        parsed = _parsed(text)
        if parsed is None:
            return None
        key, secret = parsed
        known = self._kept.get(key.secret_digest)
        if known is not None and self._clock() - known[0] < KEPT_S:
            return known[1]
        stored = await self._lookups.submit(key)
        session = None
        if stored is not None:
            authorization = _sealed(stored.sealed, secret).decode(errors="replace")
            session = Session(key, authorization, stored.expires_at)
        self._keep(key, session)
        return session

    async def end(self, session: Session) -> None:
        """End a session."""
        await self._repository.end(session.key)
        self._keep(session.key, None)

    async def end_all(self, identity: Identity) -> int:
        """End all sessions of a principal; return how many."""
        tenant_id = identity.tenant_id or NO_TENANT
        ended = await self._repository.end_all(tenant_id, identity.principal_type, identity.id)
        for digest in ended:
            self._keep(SessionKey(tenant_id, digest), None)
        return len(ended)

    def _keep(self, key: SessionKey, session: Session | None) -> None:
        self._kept[key.secret_digest] = (self._clock(), session)
        self._kept.move_to_end(key.secret_digest)
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)

    async def _found(self, keys: Sequence[SessionKey]) -> list[StoredSession | None]:
        found = await self._repository.use(keys, self._settings.idle)
        late = [key for key in keys if (session := found.get(key.secret_digest)) and session.is_noted_late]
        if late:
            with suppress(FlovynError):  # a database that takes no writes now still tells who is signed in
                await self._repository.note_use(late)
        return [found.get(key.secret_digest) for key in keys]


def _parsed(text: str) -> tuple[SessionKey, bytes] | None:
    tenant, _, secret = text.partition(".")
    try:
        key = SessionKey(UUID(hex=tenant), b"")
        found = bytes.fromhex(secret)
    except ValueError:
        return None
    return (SessionKey(key.tenant_id, _digest(found)), found) if len(found) == _SECRET_BYTES else None


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(b"flovyn session " + secret).digest()


def _sealed(text: bytes, secret: bytes) -> bytes:
    """Encrypt or decrypt a text. Each secret belongs to one text, so that no key stream is used twice."""
    stream = hashlib.shake_256(b"flovyn session credential " + secret).digest(len(text))
    return bytes(one ^ other for one, other in zip(text, stream, strict=True))
