"""The filters of a reader of the log, and the cursor that continues a list."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from core.errors import InvalidInput
from plugins.audit_log.domain import ChainedEvent

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MAX_BIGINT: Final = 2**63 - 1


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
    """The last event of a page."""

    at: datetime
    sequence: int

    @classmethod
    def behind(cls, event: ChainedEvent) -> PageCursor:
        """Return the cursor of a page that ends with the event."""
        return cls(event.at, event.sequence)

    @classmethod
    def parse(cls, text: str) -> PageCursor:
        """Return the cursor that ``str`` of it has given.

        Raises:
            InvalidInput: the text is no such thing.
        """
        try:
            at, sequence = base64.urlsafe_b64decode(text.encode("ascii")).split(b".")
            cursor = cls(_EPOCH + int(at) * _MICROSECOND, int(sequence))
        except (ValueError, OverflowError, binascii.Error):
            raise InvalidInput("cursor: not one that a page has given as nextCursor") from None
        if str(cursor) != text or not 1 <= cursor.sequence <= _MAX_BIGINT:
            raise InvalidInput("cursor: not one that a page has given as nextCursor")
        return cursor

    def __str__(self) -> str:
        """Return the opaque form."""
        return base64.urlsafe_b64encode(b"%d.%d" % ((self.at - _EPOCH) // _MICROSECOND, self.sequence)).decode()
