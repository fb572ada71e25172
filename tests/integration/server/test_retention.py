"""Retention: workflows that ended long ago go, with everything that belongs to them."""

from __future__ import annotations

from uuid import uuid4

from tests.support.driving import COMPLETED, SUSPENDED, Calls, complete, create_promise, schedule_task, start_timer
from tests.support.running import running_server

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
        assert await client.engine.workflows.prune(3600) == 1
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
