"""Cursors and totals of pages, without a database."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.paging import CURSOR_LIFE, MAX_COUNTED, Count, CursorQuery, Cursors, Paging, Position, scope_of

TENANT = UUID(int=1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class _Clock:
    """A clock that stands still."""

    def __init__(self, now: datetime = NOW) -> None:
        self._now = now

    def now(self) -> datetime:
        """Return its time."""
        return self._now


class _Query(CursorQuery):
    """A query with one condition."""

    kind: str | None = None


def _cursors(key: bytes = b"k" * 32, now: datetime = NOW) -> Cursors:
    async def load() -> bytes:
        return key

    return Cursors(load, _Clock(now))


async def _cursor(position: Position = (NOW, TENANT), **more: Any) -> str:
    paging = await _cursors().paging("list", TENANT, _Query(limit=1, **more))
    _, members = await paging.page(["a", "b"], lambda _: position, _counted(2))
    cursor: str = members["next_cursor"]
    return cursor


def _counted(total: int | None) -> Any:
    async def counted(most: int | None) -> int | None:
        return total if total is None or most is None else min(total, most)

    return counted


_KEYS = st.datetimes().map(lambda at: at.replace(tzinfo=UTC)) | st.uuids() | st.integers() | st.text(max_size=50)


@given(st.lists(_KEYS, max_size=4).map(tuple))
@pytest.mark.asyncio
async def test_a_cursor_leads_to_its_position(position: Position) -> None:
    """To the microsecond, for all types of keys."""
    cursors, scope = _cursors(), scope_of("list", TENANT, {})
    assert await cursors.position(scope, await cursors.cursor(scope, position)) == position


async def test_the_size_of_a_page_may_change() -> None:
    """The limit and the count are no conditions."""
    query = _Query(limit=7, cursor=await _cursor(), count=Count.NONE)
    assert (await _cursors().paging("list", TENANT, query)).after == (NOW, TENANT)


@pytest.mark.parametrize(
    ("name", "tenant", "kind"),
    [("other", TENANT, None), ("list", uuid4(), None), ("list", None, None), ("list", TENANT, "k")],
)
async def test_a_cursor_is_bound_to_its_list(name: str, tenant: UUID | None, kind: str | None) -> None:
    """Of another list, tenant or condition it is refused, and the text says what to do."""
    query = _Query(cursor=await _cursor(), kind=kind)
    with pytest.raises(InvalidInput, match="cursor: it belongs to another list, tenant or condition"):
        await _cursors().paging(name, tenant, query)


async def test_an_old_cursor_is_refused() -> None:
    """It is accepted for a week."""
    cursor = await _cursor()
    for late, is_refused in ((timedelta(), False), (timedelta(seconds=1), True)):
        cursors = _cursors(now=NOW + CURSOR_LIFE + late)
        if is_refused:
            with pytest.raises(InvalidInput, match="older than 7 days"):
                await cursors.paging("list", TENANT, _Query(cursor=cursor))
        else:
            await cursors.paging("list", TENANT, _Query(cursor=cursor))


async def test_a_cursor_cannot_be_forged() -> None:
    """Each changed byte is noticed; so is the key of another deployment."""
    cursor = await _cursor()
    content = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    for place in range(len(content)):
        changed = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        with pytest.raises(InvalidInput, match="no cursor of this server"):
            await _cursors().paging("list", TENANT, _Query(cursor=base64.urlsafe_b64encode(changed).decode()))
    with pytest.raises(InvalidInput, match="no cursor of this server"):
        await _cursors(b"other" * 8).paging("list", TENANT, _Query(cursor=cursor))


@given(st.text(min_size=1, max_size=60))
@pytest.mark.asyncio
async def test_nonsense_is_no_cursor(text: str) -> None:
    """Any other text is refused as a mistake of the caller."""
    with pytest.raises(InvalidInput, match="no cursor of this server"):
        await _cursors().paging("list", TENANT, _Query(cursor=text))


def test_a_cursor_takes_the_place_of_an_offset() -> None:
    """Both at once are refused."""
    with pytest.raises(ValueError, match="cursor and offset exclude each other"):
        CursorQuery(cursor="c", offset=1)


async def _members(rows: int, total: int | None, **query: Any) -> Any:
    paging: Paging = await _cursors().paging("list", TENANT, CursorQuery(**query))
    _, members = await paging.page(list(range(rows)), lambda number: (number,), _counted(total))
    return members["total"], members["total_is_exact"], members["next_cursor"] is not None


@pytest.mark.parametrize(
    ("rows", "total", "query", "expected"),
    [
        (3, None, {}, (3, True, False)),  # not counted: the page is the whole list
        (3, 8, {"offset": 5}, (8, True, False)),
        (51, 51, {}, (51, True, True)),
        (51, MAX_COUNTED, {}, (MAX_COUNTED, True, True)),
        (51, MAX_COUNTED + 7, {}, (MAX_COUNTED, False, True)),
        (51, 20_000, {"offset": 15_000}, (15_051, False, True)),
        (51, 20_000, {"count": Count.EXACT}, (20_000, True, True)),
        (51, None, {}, (51, False, True)),  # the count took too long
        (51, 70, {"count": Count.NONE}, (51, False, True)),
        (0, 70, {"offset": 90}, (70, True, False)),
    ],
)
async def test_totals_are_bounded(rows: int, total: int | None, query: Any, expected: Any) -> None:
    """Exact up to the bound; beyond it at least one more than the rows so far, while there are more."""
    assert await _members(rows, total, **query) == expected
