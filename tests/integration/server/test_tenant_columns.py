"""``tenant_id`` is in every key, every reference and every join, so that a tenant can be moved, or a table be distributed.

A distributed PostgreSQL (Citus) keeps the rows of one tenant together, and enforces a unique key or a reference only where
the column by which it distributes is part of it. The same holds when tenants are divided among several databases.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from importlib.resources import files
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from sqlglot import exp, parse_one
from sqlglot.errors import ParseError

from core.named_queries import parse_queries
from plugins.audit_log.plugin import AuditLogPlugin
from plugins.hello_world.plugin import HelloWorldPlugin
from plugins.worker_token.plugin import WorkerTokenPlugin
from tests.support.running import CONFIG, running_server

PLUGINS = [AuditLogPlugin, HelloWorldPlugin, WorkerTokenPlugin]
PACKAGES = ("server.storage", "server.database", *(plugin.__module__.rpartition(".")[0] for plugin in PLUGINS))

UNIQUE_OVER_TENANTS = {"p_worker_token__tokens_prefix", "p_worker_token__tokens_previous_prefix"}
"""A worker token names no tenant: its prefix leads to it."""

_TENANTS_TABLES = """
    SELECT c.oid::regclass::text
    FROM pg_class AS c
    INNER JOIN pg_attribute AS a ON c.oid = a.attrelid
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND a.attname = 'tenant_id'
"""
_OTHER_TABLES = f"""
    SELECT oid::regclass::text FROM pg_class
    WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND oid::regclass::text NOT IN ({_TENANTS_TABLES})
"""
_KEYS = """
    SELECT i.indexrelid::regclass::text, i.indrelid::regclass::text, i.indisprimary, array_agg(a.attname::text ORDER BY k.place)
    FROM pg_index AS i
    CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (number, place)
    INNER JOIN pg_attribute AS a ON i.indrelid = a.attrelid AND k.number = a.attnum
    WHERE i.indisunique
    GROUP BY i.indexrelid, i.indrelid, i.indisprimary
"""
_REFERENCES = """
    SELECT c.conrelid::regclass::text || '.' || c.conname, c.conrelid::regclass::text, c.confrelid::regclass::text, EXISTS (
        SELECT 1
        FROM unnest(c.conkey, c.confkey) AS k (here, there)
        INNER JOIN pg_attribute AS a ON c.conrelid = a.attrelid AND k.here = a.attnum
        INNER JOIN pg_attribute AS b ON c.confrelid = b.attrelid AND k.there = b.attnum
        WHERE a.attname = 'tenant_id' AND b.attname = 'tenant_id'
    )
    FROM pg_constraint AS c
    WHERE c.contype = 'f'
"""


@pytest_asyncio.fixture
async def catalog(database: str) -> AsyncIterator[psycopg.Connection[Any]]:
    """A connection to a database with the tables of the server and of the plugins."""
    async with running_server(database, PLUGINS, CONFIG, WORKER_TOKEN_SECRET="0123456789abcdef" * 2):
        pass
    with psycopg.connect(database) as connection:
        yield connection


@pytest.fixture
def tables(catalog: psycopg.Connection[Any]) -> set[str]:
    """The tables whose rows belong to tenants."""
    return {name for (name,) in catalog.execute(_TENANTS_TABLES.encode())}


def test_rows_belong_to_tenants_but_for_a_few_tables(catalog: psycopg.Connection[Any]) -> None:
    """The others are small, and each database has its own."""
    others = {name for (name,) in catalog.execute(_OTHER_TABLES.encode())}
    assert others == {"_plugin_migrations", "tenant"}


def test_every_key_has_the_tenant_and_primary_keys_begin_with_it(
    catalog: psycopg.Connection[Any], tables: set[str]
) -> None:
    keys = [key for key in catalog.execute(_KEYS.encode()) if key[1] in tables]
    assert len(keys) >= len(tables)
    assert [index for index, _, is_primary, columns in keys if is_primary and columns[0] != "tenant_id"] == []
    assert {index for index, *_, columns in keys if "tenant_id" not in columns} == UNIQUE_OVER_TENANTS


def test_every_reference_among_tenants_rows_has_the_tenant(catalog: psycopg.Connection[Any], tables: set[str]) -> None:
    references = [row for row in catalog.execute(_REFERENCES.encode()) if row[1] in tables and row[2] in tables]
    assert references
    assert [name for name, _, _, has_tenant in references if not has_tenant] == []


def test_every_join_of_tenants_rows_has_the_tenant(tables: set[str]) -> None:
    """Every table in a join or in a correlated subquery is tied by its ``tenant_id``."""
    untied = [
        f"{name}: {table}"
        for name, query in _queries()
        if not name.startswith(ACROSS_TENANTS)
        for statement in query.find_all(*NODES)
        for table in _untied(statement, tables)
    ]
    assert untied == []


NODES = (exp.Select, exp.Update, exp.Delete)


UNREAD = {"agents.sql: see_tasks", "dead_rows.sql: tables", "workers.sql: register"}
"""Statements that sqlglot does not read; their joins were compared by eye."""

PIECES = re.compile(r".*: (page|summaries|ordered|branch|or|count_|is_|has_ended|after|prune_|newest|oldest|with_).*")
"""Lists and retention put their statements together from pieces, of which only some can be read alone."""

ACROSS_TENANTS = ("orphans.sql: release_", "queries.sql: by_prefixes")
"""Statements for all tenants: work of a server process that has ended, and the token of a prefix."""


def _queries() -> Iterator[tuple[str, exp.Expr]]:
    for package in PACKAGES:
        for file in files(package).iterdir():
            if file.name.endswith(".sql"):
                for name, text in parse_queries(file.read_text(), file.name).items():
                    query = _parsed(f"{file.name}: {name}", re.sub(r"%\(\w+\)s", "NULL", text))
                    if query is not None:
                        yield f"{file.name}: {name}", query


def _parsed(name: str, text: str) -> exp.Expr | None:
    try:
        return parse_one(f"SELECT 1 WHERE TRUE {text}" if text.startswith("AND ") else text, dialect="postgres")
    except ParseError:
        assert name in UNREAD or PIECES.fullmatch(name), f"{name} cannot be read"
        return None


def _untied(statement: exp.Expr, tables: set[str]) -> list[str]:
    """Return the tables of a statement that are joined without their tenant."""
    direct = [table for table in statement.find_all(exp.Table) if table.find_ancestor(exp.Insert, *NODES) is statement]
    columns = [
        column
        for column in statement.find_all(exp.Column)
        if column.find_ancestor(*NODES) is statement and column.find_ancestor(exp.Where, exp.Join)
    ]
    tied = {column.table for column in columns if column.name == "tenant_id"}
    names = {table.alias_or_name for table in direct} | {""}
    is_correlated = any(column.table not in names for column in columns)
    is_alone = len(direct) == 1 and not is_correlated
    using = {str(name) for join in statement.find_all(exp.Join) for name in join.args.get("using") or ()}
    if is_alone or "tenant_id" in using:
        return []
    return [table.name for table in direct if table.name in tables and table.alias_or_name not in tied]
