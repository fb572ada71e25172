"""Retention: workflows that ended long ago go, with everything that belongs to them."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from server.domain.retention import RetentionRule
from tests.support.driving import COMPLETED, SUSPENDED, Calls, complete, create_promise, schedule_task, start_timer
from tests.support.running import OTHER_TENANT, TENANT, running_server

COUNTS = ", ".join(
    f"(SELECT count(*) FROM {table})"
    for table in ("workflow_execution", "workflow_event", "timer", "promise", "task_execution")
)


async def test_old_finished_workflows_go_and_others_stay(database: str) -> None:
    """Work that ended long ago is deleted whole; work that just ended and open work is not."""
    async with running_server(database) as client:
        calls = Calls(client)
        old = await calls.start(queue="old", idempotency_key="key")
        everything = [start_timer("t", 60_000), create_promise("p"), schedule_task(str(uuid4()))]
        await calls.step(*everything, complete(), queue="old", status=COMPLETED)
        await calls.start(queue="new")
        await calls.step(complete(), queue="new", status=COMPLETED)
        await calls.start(queue="open")
        await calls.step(queue="open", status=SUSPENDED)
        async with client.pool.connection() as connection:
            await connection.execute(
                "UPDATE workflow_execution SET completed_at = now() - interval '2 hours' WHERE id = %s", (old,)
            )
        assert await client.engine.workflows.prune([RetentionRule(seconds=3600)]) == 1
        assert await calls.row(f"SELECT {COUNTS}") == (2, 3, 0, 0, 0)
        assert await calls.start(idempotency_key="key") != old


async def test_retention_is_off_by_default_and_runs_when_it_is_on(database: str) -> None:
    """The service deletes by itself, as often as it takes."""
    async with running_server(database, ENGINE__RETAIN_FINISHED="0.05") as client:
        calls = Calls(client)
        assert client.settings.engine.retain_finished == 0.05
        await calls.start()
        await calls.step(complete(), status=COMPLETED)
        await calls.until(lambda: calls.row("SELECT count(*) FROM workflow_execution"), lambda row: row == (0,))
    async with running_server(database) as client:
        assert client.settings.engine.retain_finished is None


RULES = (
    RetentionRule(TENANT, "kept"),
    RetentionRule(TENANT, "short", 60),
    RetentionRule(OTHER_TENANT, None, 60),
    RetentionRule(None, "report", 60),
    RetentionRule(None, None, 6 * 3600),
)


@pytest.mark.parametrize(
    ("tenant", "kind", "hours", "stays"),
    [
        (TENANT, "kept", 1000, True),
        (TENANT, "short", 1, False),
        (TENANT, "short", 0, True),
        (TENANT, "other", 1, True),
        (TENANT, "other", 7, False),
        (OTHER_TENANT, "other", 1, False),
        (OTHER_TENANT, "kept", 1, False),
        (TENANT, "report", 1, False),
    ],
)
async def test_the_first_rule_that_matches_counts(
    database: str, tenant: UUID, kind: str, hours: int, *, stays: bool
) -> None:
    """By tenant, by kind and by both; the last rule is for all others."""
    async with running_server(database) as client:
        async with client.pool.connection() as connection:
            await connection.execute(
                "INSERT INTO workflow_execution (tenant_id, id, kind, queue, status, priority_ms, metadata, input,"
                " last_sequence, created_at, claim_at, completed_at, updated_at)"
                " SELECT %(tenant)s, gen_random_uuid(), %(kind)s, 'q', 'COMPLETED', 0, '{}', '1', 1, t.at, t.at, t.at, t.at"
                " FROM (SELECT now() - %(hours)s * interval '1 hour' AS at) AS t",
                {"tenant": tenant, "kind": kind, "hours": hours},
            )
        assert await client.engine.workflows.prune(RULES) == (0 if stays else 1)


async def test_rules_are_settings(database: str) -> None:
    """The service follows them without a retention for all."""
    rule = f'[{{"tenant_id": "{TENANT}", "kind": "k", "seconds": 0.05}}]'
    async with running_server(database, ENGINE__RETENTION=rule) as client:
        calls = Calls(client)
        kept = await calls.start(workflow_kind="other")
        await calls.step(complete(), status=COMPLETED)
        await calls.start(workflow_kind="k")
        await calls.step(complete(), status=COMPLETED)
        found = "SELECT count(*) FROM workflow_execution WHERE kind = 'k'"
        await calls.until(lambda: calls.row(found), lambda row: row == (0,))
        assert await calls.row("SELECT id::text FROM workflow_execution") == (kept,)
