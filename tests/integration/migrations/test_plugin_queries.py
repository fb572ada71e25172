"""The faults that the conformance test finds in a plugin's queries, and queries without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.plugin_queries import dynamic_sql, query_faults
from tests.support.postgres import Databases

SCHEMA = """
CREATE TABLE tenant (id uuid PRIMARY KEY, slug text);
CREATE TABLE workflow_event (tenant_id uuid, sequence bigint);
CREATE TABLE p_sample__item (tenant_id uuid, id int, name text, PRIMARY KEY (tenant_id, id));
"""
PAGE = "SELECT id, name FROM p_sample__item WHERE tenant_id = %(tenant_id)s"


@pytest.fixture(scope="module")
def connection(databases: Databases) -> Iterator[psycopg.Connection[Any]]:
    """A connection to a database with a few tables."""
    with databases.empty() as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
        yield connection


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("SELECT id FROM p_sample__itm WHERE tenant_id = %(t)s", "does not exist"),
        ("SELECT nmae FROM p_sample__item WHERE tenant_id = %(t)s", "does not exist"),
        ("SELECT id FORM p_sample__item WHERE tenant_id = %(t)s", "found"),
        ("SELECT id FROM p_sample__item", "is not restricted"),
        ("DELETE FROM p_sample__item WHERE id = %(id)s", "is not restricted"),
        ("DELETE FROM tenant WHERE id = %(id)s", "a plugin writes only p_sample__"),
        ("SELECT sequence FROM workflow_event WHERE tenant_id = %(t)s", "may not be read"),
        ("SELECT 1 FROM tenant WHERE id = %(t)s FOR UPDATE", "locks rows of others"),
        ("SELECT pg_sleep(1)", "is not on the list"),
        ("SELECT pg_notify('other', '')", "the channel must begin"),
        ("DROP TABLE p_sample__item", "expected a query"),
    ],
)
def test_a_faulty_query_is_named(connection: psycopg.Connection[Any], query: str, fault: str) -> None:
    """A typo, a foreign table, a tenant that is not restricted: each is found before the plugin runs."""
    found = query_faults(connection, "sample", {"queries.sql: q": query})
    assert any(fault in each and each.startswith("queries.sql: q: ") for each in found), found


@pytest.mark.parametrize(
    "query",
    [
        PAGE,
        "-- all tenants: old rows go for everybody\nDELETE FROM p_sample__item WHERE id < %(id)s",
        "INSERT INTO p_sample__item (tenant_id, id, name) VALUES (%(t)s, %(id)s, %(n)s) ON CONFLICT DO NOTHING RETURNING id",
        "SELECT slug FROM tenant WHERE id = %(t)s",
        "UPDATE p_sample__item SET name = %(n)s WHERE tenant_id = %(t)s AND name LIKE 'a%%'",
    ],
)
def test_an_honest_query_passes(connection: psycopg.Connection[Any], query: str) -> None:
    """Statements with parameters of psycopg's are prepared as PostgreSQL has them."""
    assert query_faults(connection, "sample", {"q": query}) == []


def test_a_piece_of_a_query_is_prepared_behind_a_statement(connection: psycopg.Connection[Any]) -> None:
    """A condition that is added at run time must fit one of the file's statements."""
    assert query_faults(connection, "sample", {"page": PAGE, "named": "AND name = %(name)s"}) == []
    assert query_faults(connection, "sample", {"page": PAGE, "named": "AND nmae = %(name)s"}) != []


def test_sql_that_python_puts_together_is_named(tmp_path: Path) -> None:
    """An f-string or a sum that is executed is a place to look at; a named query is not."""
    text = (
        "async def f(c, q):\n    await c.execute(f'SELECT {q}')\n    await c.execute('a' + q)\n    await c.execute(q)\n"
    )
    (tmp_path / "repository.py").write_text(text)
    assert list(dynamic_sql(tmp_path)) == ["repository.py:2", "repository.py:3"]
