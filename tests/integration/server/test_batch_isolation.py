"""A batch learns from the database's error whether a flush that failed may have written something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from core.batching import Batcher
from tests.support.calls import rows
from tests.support.running import Client, running_server

HALF = "\ud800"
INSERT = "INSERT INTO noted SELECT unnest(%s::text[])"


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    async with running_server(database) as client:
        await _create(client)
        yield client


async def _create(client: Client) -> None:
    async with client.pool.connection() as connection:
        await connection.execute("CREATE TABLE noted (name text NOT NULL)")


async def test_a_text_that_the_driver_cannot_encode_fails_alone(client: Client) -> None:
    """The transaction of the whole batch was rolled back, and every other item is written once."""

    async def flush(items: Sequence[str]) -> Sequence[str]:
        async with client.pool.transaction() as connection:
            await connection.execute(INSERT, [items[:1]])
            await connection.execute(INSERT, [items[1:]])
        return items

    names = ["a", "b", HALF, "c", "d"]
    results = await asyncio.gather(*map(Batcher(flush).submit, names), return_exceptions=True)
    assert [type(each) for each in results] == [str, str, UnicodeEncodeError, str, str]
    assert sorted(await rows(client, "SELECT name FROM noted")) == [("a",), ("b",), ("c",), ("d",)]


@pytest.mark.parametrize("kind", ["transaction", "connection"])
async def test_a_bug_after_the_commit_does_not_write_a_batch_twice(client: Client, kind: str) -> None:
    """Whether the batch was one transaction or one statement."""

    async def flush(items: Sequence[str]) -> Sequence[str]:
        async with getattr(client.pool, kind)() as connection:
            await connection.execute(INSERT, [list(items)])
        raise ZeroDivisionError

    results = await asyncio.gather(*map(Batcher(flush).submit, "abcd"), return_exceptions=True)
    assert [type(each) for each in results] == [ZeroDivisionError] * 4
    assert sorted(await rows(client, "SELECT name FROM noted")) == [("a",), ("b",), ("c",), ("d",)]
