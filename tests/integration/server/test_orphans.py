"""Work that a server process claimed right before it died comes back, and no other work does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio

from server.database.server_process import HOLD, LOCK_CLASS
from server.domain.cancellation import CancellationRequest, CancelOutcome
from server.engine.dispatch.orphans import RECENT_S
from tests.support.calls import poll, poll_task, rows, start, submit_task
from tests.support.driving import until
from tests.support.running import TENANT, Client, running_server

DEAD = 7
"""The number of a process that does not live."""


@pytest_asyncio.fixture
async def client(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """A running server that sweeps only when the test does."""
    monkeypatch.setattr("server.background.sweepers.SWEEP_EVERY_S", 3600)
    async with running_server(database) as client:
        await client.engine.orphans.sweep()
        yield client


async def _execute(client: Client, statement: str, *parameters: Any) -> None:
    async with client.pool.connection() as connection:
        await connection.execute(statement.encode(), parameters)


async def _claimed(client: Client) -> tuple[str, str]:
    """Return a workflow and a task that were claimed."""
    workflow_id, task_id = await start(client), await submit_task(client)
    assert await poll(client) is not None
    assert await poll_task(client) is not None
    return workflow_id, task_id


async def _of_dead_process(client: Client) -> tuple[str, str]:
    """Return a workflow and a task that a dead process claimed a moment ago."""
    claimed = await _claimed(client)
    for table in ("workflow_execution", "task_execution"):
        await _execute(client, f"UPDATE {table} SET claimed_by = %s", DEAD)
    return claimed


async def _sweep(client: Client, times: int = 2) -> int:
    return sum([await client.engine.orphans.sweep() for _ in range(times)])


async def test_the_last_claims_of_a_dead_process_are_released(client: Client) -> None:
    """At the second sweep that misses it; the task's attempt does not count."""
    workflow_id, task_id = await _of_dead_process(client)
    assert [await _sweep(client, 1) for _ in range(3)] == [0, 2, 0]
    workflow, task = await poll(client), await poll_task(client)
    assert workflow is not None
    assert task is not None
    assert (workflow.id, task.task_execution_id, task.execution_count) == (workflow_id, task_id, 1)


async def test_a_cancelled_workflow_of_a_dead_process_ends(client: Client) -> None:
    """It waits for no worker any more: its lease ends with the second sweep."""
    workflow_id, _ = await _of_dead_process(client)
    request = CancellationRequest(TENANT, UUID(workflow_id), "enough", "user:test", cascades=True)
    assert (await client.engine.workflows.cancel(request)).outcome is CancelOutcome.CANCELLING
    assert await _sweep(client) == 2
    await client.engine.workflows.reclaim(lease=300, silence=60)
    query = f"SELECT status FROM workflow_execution WHERE id = '{workflow_id}'"
    await until(lambda: rows(client, query), lambda found: found == [("CANCELLED",)])


async def test_claims_of_a_living_process_stay(client: Client) -> None:
    """Also the claims that name no process, as those of an older version."""
    await _claimed(client)
    assert await rows(client, "SELECT claimed_by IS NOT NULL FROM task_execution") == [(True,)]
    assert await _sweep(client, 3) == 0
    for table in ("workflow_execution", "task_execution"):
        await _execute(client, f"UPDATE {table} SET claimed_by = NULL")
    assert await _sweep(client, 3) == 0


async def test_a_process_that_has_its_lock_again_lives(client: Client, database: str) -> None:
    """Its connection broke, and it made another one between two sweeps."""
    await _of_dead_process(client)
    assert await _sweep(client, 1) == 0
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        await connection.execute(HOLD, {"lock_class": LOCK_CLASS, "number": DEAD})
        assert await _sweep(client, 2) == 0


async def test_a_lock_in_another_database_does_not_count(client: Client, empty_database: str) -> None:
    """Several deployments may share a PostgreSQL."""
    await _of_dead_process(client)
    async with await psycopg.AsyncConnection.connect(empty_database, autocommit=True) as connection:
        await connection.execute(HOLD, {"lock_class": LOCK_CLASS, "number": DEAD})
        assert await _sweep(client) == 2


async def test_a_task_that_gave_a_sign_of_life_stays(client: Client) -> None:
    """Its worker has got it, whatever became of the server."""
    await _of_dead_process(client)
    await _execute(client, "UPDATE task_execution SET last_heartbeat_at = now()")
    assert await _sweep(client) == 1
    assert await rows(client, "SELECT status FROM task_execution") == [("RUNNING",)]


async def test_older_claims_of_a_dead_process_stay(client: Client) -> None:
    """They were answered long before it died: those before its newest claim, and those before it was last seen alive."""
    await _of_dead_process(client)
    await _execute(client, "UPDATE task_execution SET claimed_at = now() - interval '3 seconds'")
    assert await _sweep(client) == 1
    assert await rows(client, "SELECT status FROM task_execution") == [("RUNNING",)]


async def test_claims_from_before_a_process_was_last_seen_alive_stay(client: Client, database: str) -> None:
    """The newest one as well, when the process did nothing for a while before it died."""
    await _of_dead_process(client)
    for table in ("workflow_execution", "task_execution"):
        await _execute(client, f"UPDATE {table} SET claimed_at = now() - interval '3 seconds'")
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        await connection.execute(HOLD, {"lock_class": LOCK_CLASS, "number": DEAD})
        assert await _sweep(client, 1) == 0
    query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7"
    await until(lambda: rows(client, query), lambda found: found == [(0,)])
    assert await _sweep(client, 3) == 0


async def test_a_new_server_finds_what_died_long_before_it_came(database: str, client: Client) -> None:
    """All servers were down for longer than sweeps usually look back."""
    await _of_dead_process(client)
    for table in ("workflow_execution", "task_execution"):
        await _execute(client, f"UPDATE {table} SET claimed_at = now() - %s * interval '1 second'", 2 * RECENT_S)
    await _sweep(client, 3)
    assert await rows(client, "SELECT status FROM task_execution") == [("RUNNING",)]
    async with running_server(database) as other:
        await _sweep(other)
    assert await rows(client, "SELECT status FROM task_execution") == [("PENDING",)]


async def test_a_process_that_ends_in_good_order_leaves_no_orphans(client: Client, database: str) -> None:
    """Its workers have got everything."""
    async with running_server(database) as other:
        await _claimed(other)
    assert await rows(client, "SELECT status, claimed_by FROM task_execution") == [("RUNNING", None)]
    assert await _sweep(client, 3) == 0
