"""What a worker token is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class NewWorkerToken:
    """A token to store: the visible prefix and the HMAC, never the token."""

    id: UUID
    tenant_id: UUID
    display_name: str
    token_prefix: str
    token_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class WorkerToken(NewWorkerToken):
    """A stored token. ``last_used_at`` is kept to the minute."""

    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
