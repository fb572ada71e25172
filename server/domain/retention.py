"""How long finished workflow executions are kept."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """The retention of the workflows that it matches.

    Attributes:
        tenant_id: the tenant; None matches all.
        kind: the workflow kind; None matches all.
        seconds: the time for which they are kept after their end; None for ever.
    """

    tenant_id: UUID | None = None
    kind: str | None = None
    seconds: float | None = None
