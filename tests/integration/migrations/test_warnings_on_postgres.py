"""A warning comes where PostgreSQL shows that it is true, and nowhere else: proved on every fixture that passes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migrations.lint import lint, sections, split
from migrations.lint.modes import mode_of
from tests.support.lint_cases import PLUGIN, Case, cases, setup_sql
from tests.support.postgres import Databases

Connection = psycopg.Connection[Any]

CORE = Path(__file__).with_name("core_stand_in.sql")
OWN = "^p_audit__"
ZONE = "-c timezone=Europe/Berlin"
"""Under UTC, PostgreSQL keeps the rows where a type loses its time zone."""
CASES = [case for kind in ("good", "warned") for case in cases(kind) if mode_of(case.sql) != "outside"]

TABLES = """
    SELECT oid::bigint, relname, relfilenode::bigint, relpersistence FROM pg_class
    WHERE relname ~ %(own)s AND relkind IN ('r', 'p', 'S')
"""
KEYS = """
    SELECT k.oid::bigint, k.conrelid::bigint, k.confdeltype IN ('c', 'n') AND NOT (k.confdeltype = 'n' AND EXISTS (
        SELECT 1 FROM pg_attribute AS a WHERE a.attrelid = k.conrelid AND a.attnotnull
        AND a.attnum = ANY (coalesce(k.confdelsetcols, k.conkey))
    )) AS lets_go, EXISTS (
        SELECT 1 FROM pg_index AS i WHERE i.indrelid = k.conrelid AND i.indkey[0] = ANY (k.conkey) AND i.indpred IS NULL
        AND (SELECT amname IN ('btree', 'hash') FROM pg_class AS c JOIN pg_am AS a ON a.oid = c.relam
             WHERE c.oid = i.indexrelid)
    ) AS indexed
    FROM pg_constraint AS k JOIN pg_class AS own ON own.oid = k.conrelid JOIN pg_class AS other ON other.oid = k.confrelid
    WHERE k.contype = 'f' AND k.conparentid = 0 AND own.relname ~ %(own)s AND other.relname !~ %(own)s
"""
PINNED = """
    SELECT DISTINCT r.ev_class::bigint, d.refobjid::bigint, d.refobjsubid
    FROM pg_depend AS d JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    JOIN pg_class AS view ON view.oid = r.ev_class JOIN pg_class AS base ON base.oid = d.refobjid
    WHERE d.refclassid = 'pg_class'::regclass AND view.relname ~ %(own)s AND base.relname !~ %(own)s
    UNION
    SELECT p.oid::bigint, d.refobjid::bigint, d.refobjsubid
    FROM pg_depend AS d JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
    JOIN pg_class AS base ON base.oid = d.refobjid
    WHERE d.refclassid = 'pg_class'::regclass AND p.proname ~ %(own)s AND base.relname !~ %(own)s
    AND base.relkind IN ('r', 'p')
"""


@pytest.fixture(scope="module")
def template(databases: Databases) -> Iterator[str]:
    """A database with the core schema, and what the plugin made earlier."""
    with databases.empty() as url:
        with psycopg.connect(url, options=ZONE) as connection:
            connection.execute(CORE.read_bytes())
            connection.execute(setup_sql().encode())
        yield url


def state(connection: Connection) -> dict[str, dict[Any, tuple[Any, ...]]]:
    """Return tables, foreign keys to the server's tables, and the columns that views and functions read."""
    queries = {"tables": TABLES, "keys": KEYS, "pinned": PINNED}
    found = {name: connection.execute(query.encode(), {"own": OWN}).fetchall() for name, query in queries.items()}
    return {
        "tables": {row[0]: row[1:] for row in found["tables"]},
        "keys": {row[0]: row[1:] for row in found["keys"]},
        "pinned": dict.fromkeys(found["pinned"], ()),
    }


def true_warnings(connection: Connection, case: Case) -> set[str]:
    """Run the up part, and return the warnings that are true of it."""
    before = state(connection)
    for statement in split(sections(case.sql)[0]):
        connection.execute(statement.text.encode(), binary=True)
    after = state(connection)
    new_keys = {oid: key for oid, key in after["keys"].items() if oid not in before["keys"]}
    lost_keys = [key for oid, key in before["keys"].items() if oid not in after["keys"]]
    older = before["tables"].keys()
    holds = {
        "W1": any(not lets_go for _, lets_go, _ in new_keys.values()),
        "W2": any(not indexed for _, _, indexed in new_keys.values()),
        "W3": bool(after["pinned"].keys() - before["pinned"].keys()),
        "W4": bool(lost_keys) or any(table in older for table, _, _ in new_keys.values()),
        "W5": any(
            table[2] == "u" and before["tables"].get(oid, ("", 0, "p"))[2] == "p"
            for oid, table in after["tables"].items()
        ),
        "W6": "TRUNCATE" not in case.sql
        and any(after["tables"].get(oid, table)[1] != table[1] for oid, table in before["tables"].items()),
    }
    return {name for name, true in holds.items() if true}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_warnings_are_true(template: str, case: Case) -> None:
    """The warnings of a file are those that hold on PostgreSQL, but for those that it acknowledges."""
    told = {finding.rule for finding in lint(PLUGIN, case.sql, [setup_sql()])}
    with psycopg.connect(template, prepare_threshold=None, options=ZONE) as connection:
        true = true_warnings(connection, case)
        connection.rollback()
    assert told == {rule for rule in true if f"-- accepted {rule}: the" not in case.sql}
