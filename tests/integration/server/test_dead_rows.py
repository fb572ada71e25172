"""Dead rows: the leader removes them from small tables, and tables are set up so that few updates leave any."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID, uuid4

import psycopg
import pytest

from server.background.vacuum import LOOK_AGAIN_S, LOOK_EVERY_S, Vacuum
from server.cli.database_checks import autovacuum
from server.cli.finding import Result
from server.config.settings import DatabasePool
from server.database.connecting import connect
from server.database.pool import Pool, open_pool
from server.database.vitals import vitals
from server.storage.dead_rows import DeadRowRepository, DeadRows

TENANT = UUID(int=1)
ROWS = 1000
INSERT_TASKS = f"""
INSERT INTO task_execution (
    tenant_id, id, kind, queue, status, metadata, input, max_retries, claim_at, created_at, updated_at
)
SELECT '{TENANT}', gen_random_uuid(), 'k', '', 'RUNNING', '{{}}', '1', 3, now(), now(), now()
FROM generate_series(1, {ROWS})
"""


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    """A pool of connections to a database in which only the server vacuums, with many workflow executions."""
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("ALTER TABLE workflow_execution SET (autovacuum_enabled = off)")
        admin.execute("INSERT INTO tenant (id, slug, name) VALUES (%s, 'a', 'A')", [TENANT])
        admin.execute(
            "INSERT INTO workflow_execution (tenant_id, id, kind, queue, status, priority_ms, metadata, input,"
            " last_sequence, created_at, claim_at, updated_at) SELECT %s, gen_random_uuid(), 'k', '', 'WAITING', 0,"
            " '{}', '1', 1, now(), now(), now() FROM generate_series(1, %s)",
            [TENANT, ROWS],
        )
    async with open_pool(database, DatabasePool()) as pool:
        yield pool


def _change(database: str, statement: str) -> None:
    """Run a statement, and let the statistics know of it."""
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(statement.encode())
        admin.execute("SELECT pg_stat_force_next_flush()")
        admin.execute("SELECT 1")


def _dead(database: str) -> int:
    with psycopg.connect(database, autocommit=True) as admin:
        row = admin.execute(
            "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'workflow_execution'"
        ).fetchone()
    assert row is not None
    return int(row[0])


class Slept(Exception):
    """Ends a service at its first sleep."""


async def _look(service: Vacuum, monkeypatch: pytest.MonkeyPatch) -> float:
    """Let the service look once; return for how long it would have slept."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        raise Slept

    with monkeypatch.context() as patched:
        patched.setattr(asyncio, "sleep", sleep)
        with pytest.raises(Slept):
            await service.run()
    return slept[0]


async def test_dead_rows_are_removed_when_they_are_many(
    database: str, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And are looked for again soon while there are ever more of them."""
    service = Vacuum(DeadRowRepository(pool))
    assert await _look(service, monkeypatch) == LOOK_EVERY_S
    _change(database, "UPDATE workflow_execution SET status = 'PENDING' WHERE (id::text < '4')")
    few = _dead(database)
    assert await _look(service, monkeypatch) == LOOK_AGAIN_S
    assert 0 < few == _dead(database)
    _change(database, "UPDATE workflow_execution SET status = 'WAITING'")
    assert await _look(service, monkeypatch) == LOOK_AGAIN_S
    assert _dead(database) == 0


async def test_dead_rows_that_a_transaction_may_still_see_are_not_tried_again_and_again(
    database: str, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old transaction keeps VACUUM from removing them: the table rests, ever longer."""
    service = Vacuum(DeadRowRepository(pool))
    vacuumed: list[str] = []
    vacuum = DeadRowRepository.vacuum

    async def counted(self: DeadRowRepository, table: str) -> int:
        vacuumed.append(table)
        return await vacuum(self, table)

    monkeypatch.setattr(DeadRowRepository, "vacuum", counted)
    with psycopg.connect(database) as old:
        old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT 1")
        _change(database, "UPDATE workflow_execution SET status = 'PENDING'")
        for _ in range(5):
            await _look(service, monkeypatch)
    assert _dead(database) == ROWS
    assert vacuumed == ["workflow_execution"]


async def test_a_role_that_owns_no_table_vacuums_none(database: str, pool: Pool) -> None:
    """PostgreSQL would only log a warning each time."""
    _change(database, "UPDATE workflow_execution SET status = 'PENDING'")
    role = f"role_{uuid4().hex}"
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN".encode())
        admin.execute(f"GRANT pg_read_all_stats TO {role}".encode())
    try:
        async with open_pool(database.replace("postgres@", f"{role}@"), DatabasePool()) as other:
            assert await DeadRowRepository(other).tables() == []
        assert DeadRows("workflow_execution", ROWS, are_many=True) in await DeadRowRepository(pool).tables()
    finally:
        with psycopg.connect(database, autocommit=True) as admin:
            admin.execute(f"DROP OWNED BY {role}".encode())
            admin.execute(f"DROP ROLE {role}".encode())


@pytest.mark.parametrize("table", ["task_execution", "workflow_execution"])
async def test_most_updates_that_leave_the_state_as_it_is_touch_no_index(database: str, pool: Pool, table: str) -> None:
    """Signs of life and further commands find room in the page of their row: they are HOT."""
    assert pool
    _change(database, INSERT_TASKS)
    for digit in "0123456789abcdef":
        _change(database, f"UPDATE {table} SET updated_at = now() WHERE id::text LIKE '%{digit}'")
    with psycopg.connect(database, autocommit=True) as admin:
        row = admin.execute(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = %s", [table]
        ).fetchone()
    assert row is not None
    assert row[0] == ROWS
    assert row[1] >= 0.9 * ROWS


async def test_the_doctor_knows_whether_autovacuum_runs_often_enough(database: str) -> None:
    """Off is an error, more rarely than by default is worth a warning."""
    async with await connect(database, timeout=5) as connection:
        found = await vitals(connection)
    assert found.autovacuum_every == 60
    assert autovacuum(found).result is Result.OK
    assert autovacuum(replace(found, autovacuum_every=300.0)).result is Result.WARN
    assert autovacuum(replace(found, autovacuum_every=None)).result is Result.FAIL
