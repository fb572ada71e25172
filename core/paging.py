"""Pages of lists that hold at any size: by cursors, which name the last row of a page, and with bounded totals.

A cursor is opaque. It holds the position of a row in the order of its list, the time at which it was given, and a
digest of the list, the tenant and the conditions. A key of the deployment signs it, so that no caller can make one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from pydantic import Field, model_validator

from core.clock import Clock
from core.errors import InvalidInput
from core.rest_model import Page, PageQuery

MAX_COUNTED: Final = 10_000
"""The greatest total that is counted unless an exact one is asked for."""

MAX_CURSOR: Final = 2000
"""Characters of a cursor."""

CURSOR_LIFE: Final = timedelta(days=7)
"""The time for which a cursor is accepted."""

_VERSION = b"\x01"
_TIME_BYTES, _SCOPE_BYTES, _SIGNATURE_BYTES = 6, 8, 16
_HEAD_BYTES = len(_VERSION) + _TIME_BYTES + _SCOPE_BYTES
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NO_TENANT: Final = UUID(int=0)
_OF_THE_PAGE: Final = {"limit", "offset", "cursor", "count", "view"}
"""The parameters of a list that may differ from page to page."""

Key = datetime | UUID | int | str
Position = tuple[Key, ...]
"""The values of the columns by which a list is ordered, of one row."""

PageMembers = dict[str, Any]
"""The members of ``CursorPage``, by their names in Python."""

View = TypeVar("View")


class Count(StrEnum):
    """How the total of a list is counted: up to ``MAX_COUNTED``, exactly, or not at all."""

    BOUNDED = "bounded"
    EXACT = "exact"
    NONE = "none"


class CursorQuery(PageQuery):
    """The query of a list whose pages have cursors."""

    cursor: Annotated[str, Field(min_length=1, max_length=MAX_CURSOR)] | None = Field(
        default=None,
        description="the nextCursor of the page before, with the same conditions; takes the place of offset",
    )
    count: Count = Field(
        default=Count.BOUNDED,
        description=f"how total is counted: bounded, up to {MAX_COUNTED}; exact, unless it takes too long; or none",
    )

    @model_validator(mode="after")
    def _one_place(self) -> CursorQuery:
        if self.cursor is not None and self.offset:
            raise ValueError("cursor and offset exclude each other; send one of them")
        return self


class CursorPage(Page):
    """The members that every list has beside its items."""

    total_is_exact: bool = Field(
        description="false: there may be more than total; it grows from page to page, so that a loop over offset ends"
    )
    next_cursor: str | None = Field(description="asks for the next page; null on the last")


class Cursors:
    """Signs and checks cursors. ``load_key`` returns the key of the deployment; it is asked once."""

    def __init__(self, load_key: Callable[[], Awaitable[bytes]], clock: Clock) -> None:
        self._load_key = load_key
        self._clock = clock
        self._key: bytes | None = None

    async def paging(self, name: str, tenant_id: UUID | None, query: CursorQuery) -> Paging:
        """Return the page that a query of the list ``name`` asks for.

        Raises:
            InvalidInput: the cursor is forged, too old, or of another list, tenant or condition.
        """
        scope = scope_of(name, tenant_id, query.model_dump(mode="json", exclude=_OF_THE_PAGE))
        after = None if query.cursor is None else await self.position(scope, query.cursor)
        return Paging(self, scope, query.limit, query.offset, after, query.count)

    async def cursor(self, scope: bytes, position: Position) -> str:
        """Return the cursor of a position; ``scope`` comes from ``scope_of``."""
        seconds = int((self._clock.now() - _EPOCH).total_seconds())
        head = _VERSION + seconds.to_bytes(_TIME_BYTES, "big") + scope
        signed = head + json.dumps([_text(key) for key in position], separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(await self._signature(signed) + signed).decode().rstrip("=")

    async def position(self, scope: bytes, text: str) -> Position:
        """Return the position that a cursor names.

        Raises:
            InvalidInput: see ``paging``.
        """
        try:
            content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            content = b""
        signature, signed = content[:_SIGNATURE_BYTES], content[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, await self._signature(signed)) or signed[:1] != _VERSION:
            raise InvalidInput("cursor: this is no cursor of this server; send the nextCursor of a page as it is")
        given = _EPOCH + timedelta(seconds=int.from_bytes(signed[1 : 1 + _TIME_BYTES], "big"))
        if self._clock.now() - given > CURSOR_LIFE:
            raise InvalidInput(f"cursor: it is older than {CURSOR_LIFE.days} days; begin again without a cursor")
        if signed[1 + _TIME_BYTES : _HEAD_BYTES] != scope:
            raise InvalidInput(
                "cursor: it belongs to another list, tenant or condition; send it with the parameters of its page,"
                " or begin again without a cursor"
            )
        return tuple(_key(each) for each in json.loads(signed[_HEAD_BYTES:]))

    async def _signature(self, signed: bytes) -> bytes:
        if self._key is None:
            self._key = await self._load_key()
        return hmac.digest(self._key, signed, "sha256")[:_SIGNATURE_BYTES]


@dataclass(frozen=True, slots=True)
class Paging:
    """One page of a list, as it was asked for.

    Attributes:
        limit: rows of the page at most.
        offset: rows to leave out, where there is no cursor.
        after: the position of the last row of the page before; None on the first page.
        count: how the total is counted.
    """

    _cursors: Cursors
    _scope: bytes
    limit: int
    offset: int
    after: Position | None
    count: Count

    @property
    def fetched(self) -> int:
        """The rows to read: one more than the page has tells whether there is a next page."""
        return self.limit + 1

    async def page(
        self,
        rows: Sequence[View],
        position: Callable[[View], Position],
        counted: Callable[[int | None], Awaitable[int | None]],
    ) -> tuple[list[View], PageMembers]:
        """Return the rows of the page, and the members of ``CursorPage``.

        Args:
            rows: those that were read, at most ``fetched``.
            position: returns the position of a row.
            counted: counts the rows of the list up to a number, or all of them for None; it returns None where that
                takes too long.

        Raises:
            InvalidInput: see ``counted``.
        """
        shown, has_more = list(rows[: self.limit]), len(rows) > self.limit
        least = self.offset + len(shown) + has_more
        is_whole = self.after is None and not has_more and (bool(shown) or not self.offset)
        total: int | None = least if is_whole else None
        if total is None and self.count is not Count.NONE:
            total = await counted(None if self.count is Count.EXACT else MAX_COUNTED + 1)
        is_exact = total is not None and (is_whole or self.count is Count.EXACT or total <= MAX_COUNTED)
        return shown, {
            "total": total if is_exact else max(least, min(total or 0, MAX_COUNTED)),
            "total_is_exact": is_exact,
            "limit": self.limit,
            "offset": self.offset,
            "next_cursor": await self._cursors.cursor(self._scope, position(shown[-1])) if has_more else None,
        }


def scope_of(name: str, tenant_id: UUID | None, conditions: Mapping[str, Any]) -> bytes:
    """Return the digest that binds a cursor to a list, a tenant and conditions, which have a JSON form."""
    content = json.dumps([name, str(tenant_id or _NO_TENANT), conditions], sort_keys=True)
    return hashlib.sha256(content.encode()).digest()[:_SCOPE_BYTES]


def _text(key: Key) -> str:
    if isinstance(key, datetime):
        return f"t{(key - _EPOCH) // _MICROSECOND}"
    return f"u{key.hex}" if isinstance(key, UUID) else f"i{key}" if isinstance(key, int) else f"s{key}"


def _key(text: str) -> Key:
    kind, value = text[0], text[1:]
    if kind == "t":
        return _EPOCH + int(value) * _MICROSECOND
    return UUID(value) if kind == "u" else int(value) if kind == "i" else value
