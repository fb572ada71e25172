"""Lists reach PostgreSQL as the same arrays, whichever dumper writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from server.database.arrays import ArrayDumper

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
LISTS = {
    "text[]": TEXT,
    "uuid[]": st.uuids(),
    "bigint[]": st.integers(-(2**63), 2**63 - 1),
    "boolean[]": st.booleans(),
    "timestamptz[]": st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001
    "double precision[]": st.floats(allow_nan=False),
}


class Colour(StrEnum):
    """An element type that is left to psycopg."""

    RED = "red"


@pytest.fixture
def connection(empty_database: str) -> Any:
    """A connection that writes lists in one pass."""
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.adapters.register_dumper(list, ArrayDumper)
        yield connection


@pytest.mark.parametrize("name", LISTS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_every_list_comes_back_as_it_was_sent(name: str, connection: Any, data: st.DataObject) -> None:
    """Elements with quotes, backslashes, braces and NULLs, empty lists, and lists of NULLs alone."""
    sent = data.draw(st.lists(st.none() | LISTS[name]))
    (came,) = connection.execute(sql.SQL("SELECT %s::" + name), [sent]).fetchone()
    assert came == sent


def test_types_of_arrays_are_psycopgs_own(connection: Any) -> None:
    """A statement of a plugin that names no type gets the type that psycopg would send."""
    query = "SELECT pg_typeof(%s)::text"
    for sent in ([UUID(int=1)], [True], [datetime.now(UTC)], [datetime(2026, 1, 1)], [1.5]):  # noqa: DTZ001
        ours = connection.execute(query, [sent]).fetchone()
        with psycopg.connect(connection.info.dsn, password="", autocommit=True) as plain:
            assert ours == plain.execute(query, [sent]).fetchone()


def test_other_lists_are_left_to_psycopg(connection: Any) -> None:
    """Nested lists and enumerations."""
    assert connection.execute("SELECT %s::bigint[]", [[[1, 2], [3, 4]]]).fetchone() == ([[1, 2], [3, 4]],)
    assert connection.execute("SELECT %s::text[]", [[Colour.RED]]).fetchone() == (["red"],)
