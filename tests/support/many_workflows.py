"""Loads a database with many workflows, for tests and benchmarks of lists; see many_workflows.sql."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import psycopg

from core.named_queries import parse_queries

SQL = parse_queries(Path(__file__).with_name("many_workflows.sql").read_text("utf-8"), "many_workflows.sql")
_CHUNK = 250_000


def load(url: str, tenant_id: UUID, workflows: int) -> None:
    """Fill the tables of a migrated database; the tenant, which exists, gets nine tenths of the workflows."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # no foreign keys are checked
        connection.execute("SET synchronous_commit = off")
        indexes = connection.execute(SQL["indexes"].encode()).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}".encode())
        connection.execute(SQL["random"].encode())
        connection.execute(SQL["tenants"].encode())
        for first in range(1, workflows + 1, _CHUNK):
            last = min(first + _CHUNK - 1, workflows)
            numbers = {"tenant_id": tenant_id, "count": workflows, "first": first, "last": last}
            connection.execute(SQL["workflows"].encode(), numbers)
        for step in ("events", "tasks"):
            connection.execute(SQL[step].encode())
        for _, definition in indexes:
            connection.execute(definition.encode())
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")
