"""Claims of unknown outcome are looked for until they are found or cannot be under way any more."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from uuid import UUID, uuid4

from core.errors import Unavailable
from server.engine.dispatch.lost_claims import LostClaims
from tests.support.settling import settle

NO_PAUSES = (0.0,)


class _Database:
    """Claims that were written, and the looks at them."""

    def __init__(self) -> None:
        self.written: set[UUID] = set()
        self.away = False
        self.looks: list[set[UUID]] = []
        self.looked = asyncio.Event()

    async def release(self, claims: Collection[UUID], _age: float) -> set[UUID]:
        """Release what is written."""
        self.looks.append(set(claims))
        self.looked.set()
        if self.away:
            raise Unavailable("the database is away")
        found = self.written & set(claims)
        self.written -= found
        return found

    async def next_look(self) -> None:
        """Wait for the next look."""
        self.looked.clear()
        await asyncio.wait_for(self.looked.wait(), 5)


def _now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_claim_that_is_written_late_is_found_by_a_later_look() -> None:
    """The database may carry a statement out long after its connection broke, or be away for a while."""
    database = _Database()
    lost = LostClaims(database.release, 60, pauses=NO_PAUSES)
    late, never = uuid4(), uuid4()
    database.away = True
    lost.find_later([late, never], _now())
    await database.next_look()
    database.away = False
    await database.next_look()
    database.written = {late}
    while database.written:
        await database.next_look()
    await database.next_look()
    assert database.looks[-1] == {never}
    await lost.close()


async def test_a_claim_is_not_looked_for_when_no_statement_can_be_under_way() -> None:
    """One look after that time is enough, and one is made."""
    database = _Database()
    lost = LostClaims(database.release, 60, pauses=NO_PAUSES)
    lost.find_later([claim := uuid4()], _now() - 61)
    await database.next_look()
    await settle()
    lost.find_later([other := uuid4()], _now())
    await database.next_look()
    assert database.looks[:2] == [{claim}, {other}]
    await lost.close()


async def test_closing_takes_bounded_time_and_looks_once_more() -> None:
    """Also when the database does not answer."""
    database = _Database()
    lost = LostClaims(database.release, 60, pauses=NO_PAUSES)
    database.written = {uuid4()}
    lost.find_later(database.written, _now())
    await lost.close()
    assert database.written == set()

    async def hang(_claims: Collection[UUID], _age: float) -> set[UUID]:
        await asyncio.Event().wait()
        raise AssertionError

    hanging = LostClaims(hang, 60, close_within=0.01)
    hanging.find_later([uuid4()], _now())
    await asyncio.wait_for(hanging.close(), 5)


async def test_no_more_claims_are_remembered_than_the_limit() -> None:
    """The others wait for their lease."""
    database = _Database()
    lost = LostClaims(database.release, 60, most=3, pauses=NO_PAUSES)
    lost.find_later([uuid4() for _ in range(2)], _now())
    lost.find_later([uuid4() for _ in range(5)], _now())
    await database.next_look()
    assert len(database.looks[-1]) == 3
    await lost.close()
