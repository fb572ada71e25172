"""The filters of a reader of the log, and the position at which a list goes on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from plugins.audit_log.domain import ChainedEvent


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that an event must meet; None asks for nothing. ``from_time`` is inside, ``to_time`` outside."""

    from_time: datetime | None = None
    to_time: datetime | None = None
    principal: str | None = None
    action: str | None = None
    resource: str | None = None
    resource_id: str | None = None
    operation: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class PageCursor:
    """The position of the last event of a page."""

    at: datetime
    sequence: int

    @classmethod
    def behind(cls, event: ChainedEvent) -> PageCursor:
        """Return the cursor of a page that ends with the event."""
        return cls(event.at, event.sequence)
