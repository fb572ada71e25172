"""The examples on the rules' pages: PostgreSQL accepts what is refused, and the harm that the page states shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migrations.lint import split
from tests.support.lint_cases import Page, pages, setup_sql
from tests.support.postgres import Databases

Connection = psycopg.Connection[Any]

CORE = Path(__file__).with_name("core_stand_in.sql")
REFUSED = [page for page in pages() if page.rule.startswith("M")]
JSON_TYPE_TEST = 16
"""The release that brought IS JSON, the example of M072."""


@pytest.fixture
def connection(databases: Databases) -> Iterator[Connection]:
    """A connection to a database of its own, which a page may change for good."""
    with databases.empty() as url, psycopg.connect(url, prepare_threshold=None) as connection:
        connection.execute(CORE.read_bytes())
        connection.execute(setup_sql().encode())
        connection.execute("SELECT setval('core_seq', 100)")
        connection.commit()
        yield connection


def shows(connection: Connection, harm: str) -> bool:
    """Run the statements of the harm; the last is a query for one truth value."""
    rows: list[tuple[Any, ...]] = []
    for statement in split(harm):
        cursor = connection.execute(statement.text.encode())
        rows = cursor.fetchall() if cursor.description else []
    return rows == [(True,)]


@pytest.mark.parametrize("page", REFUSED, ids=lambda page: page.rule)
def test_the_harm_of_a_refused_statement_shows(connection: Connection, page: Page) -> None:
    """The harm is there after the refused statement, and not without it."""
    with suppress(psycopg.Error):  # the object that would do the harm is not there
        assert not shows(connection, page.harm)
    connection.rollback()
    if page.rule == "M072" and connection.info.server_version // 10000 < JSON_TYPE_TEST:
        with pytest.raises(psycopg.errors.SyntaxError):
            connection.execute(page.refused.encode())
        return
    connection.execute(page.refused.encode())
    assert shows(connection, page.harm)


@pytest.mark.parametrize("page", REFUSED, ids=lambda page: page.rule)
def test_the_allowed_statement_runs(connection: Connection, page: Page) -> None:
    """The alternative that a page offers is valid; one that says to ask the operator has no statement."""
    connection.autocommit = "CONCURRENTLY" in page.allowed
    connection.execute("CREATE FUNCTION p_audit__next() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    for statement in split(page.allowed.partition("-- down\n")[0]):
        connection.execute(statement.text.encode())
