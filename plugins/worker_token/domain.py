"""Worker tokens as values: new and stored ones, their rotation, and the reasons for which a check refuses one."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

TOKEN_PREFIX: Final = "fwt_"  # noqa: S105 - begins every token, is none
PREFIX_LENGTH: Final = 16
"""Characters of a token that are stored in clear, to find and to show it."""
MAX_DISPLAY_NAME: Final = 255
MAX_DESCRIPTION: Final = 2000
MAX_OVERLAP: Final = timedelta(days=7)
"""For how long a replaced token may stay valid."""


class TokenOutcome(StrEnum):
    """How a check ended; the values are labels of the metric and words of the log."""

    OK = "ok"
    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    ALTERED = "altered"
    REPLACED = "replaced"
    REVOKED = "revoked"
    EXPIRED = "expired"
    LIMITED = "limited"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class GeneratedToken:
    """A new token as it is shown once, and the part of it that is stored in clear."""

    token: str = field(repr=False)
    prefix: str


@dataclass(frozen=True, slots=True)
class NewWorkerToken:
    """A token to store: the visible prefix and the HMAC, never the token. ``expires_at`` None is never."""

    id: UUID
    tenant_id: UUID
    display_name: str
    description: str
    token_prefix: str
    token_hash: str = field(repr=False)
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class WorkerToken(NewWorkerToken):
    """A stored token.

    ``last_used_at`` is kept to the minute. ``previous_hash`` is that of the secret which the last rotation replaced,
    valid until ``previous_until``.
    """

    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    rotated_at: datetime | None
    previous_prefix: str | None
    previous_hash: str | None = field(repr=False)
    previous_until: datetime | None

    def refusal(self, matched_hash: str, now: datetime) -> TokenOutcome | None:
        """Return why the secret of ``matched_hash``, one of the token's two, does not admit; None when it does."""
        if self.revoked_at is not None:
            return TokenOutcome.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return TokenOutcome.EXPIRED
        if matched_hash != self.token_hash and (self.previous_until is None or self.previous_until <= now):
            return TokenOutcome.REPLACED
        return None

    def valid_until(self, matched_hash: str) -> datetime | None:
        """Return when the secret of ``matched_hash`` stops admitting by itself; None is never."""
        ends = [self.expires_at, None if matched_hash == self.token_hash else self.previous_until]
        return min((end for end in ends if end is not None), default=None)


@dataclass(frozen=True, slots=True)
class Rotation:
    """A new secret for a token. ``seen`` is the token's ``rotated_at`` when this was decided."""

    tenant_id: UUID
    id: UUID
    seen: datetime | None
    token_prefix: str
    token_hash: str = field(repr=False)
    previous_until: datetime


@dataclass(frozen=True, slots=True)
class Rehash:
    """The same secret of a token under a newer key: ``old`` becomes ``new``."""

    tenant_id: UUID
    id: UUID
    old: str = field(repr=False)
    new: str = field(repr=False)
