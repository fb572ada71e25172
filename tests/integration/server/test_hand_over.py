"""A poller that waits gets a new run straight from the call that starts it."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc

from core.domain.worker import Category
from tests.support.calls import events, poll, rows, start, status_of
from tests.support.proxy import Cut, proxied
from tests.support.running import Client, running_server

HOLD = "60000"
MARK = "key-of-a-lost-answer"


async def _parked(client: Client) -> asyncio.Task[Any]:
    """Return a poll that waits."""
    parked = client.boot.wakeups[Category.WORKFLOW].parked
    parked.clear()
    task: asyncio.Task[Any] = asyncio.create_task(poll(client, worker_id="w7"))
    await asyncio.wait_for(parked.wait(), 5)
    return task


async def test_a_run_is_written_as_the_waiting_workers_own(database: str) -> None:
    """No second statement claims it; what the worker and the database see is as after a claim."""
    async with running_server(database, ENGINE__POLL_HOLD_MS=HOLD) as client:
        polling = await _parked(client)
        run_id = await start(client, data={"n": 1}, idempotency_key="key")
        run = await asyncio.wait_for(polling, 5)
        assert (run.id, run.input, run.current_sequence) == (run_id, b'{"n": 1}', 1)
        assert [each[1] for each in await events(client, run_id)] == ["WORKFLOW_STARTED"]
        query = "SELECT e.status, e.worker_id, e.dispatched_sequence, e.started_at IS NOT NULL, e.xmin = v.xmin"
        (found,) = await rows(client, query + " FROM workflow_execution AS e CROSS JOIN workflow_event AS v")
        assert found == ("RUNNING", "w7", 1, True, True)  # the last: never updated since


async def test_a_handed_over_run_of_unknown_outcome_is_not_lost(database: str) -> None:
    """The commit's answer is lost with the connection: the run was written as a worker's own, and becomes claimable."""
    with tempfile.TemporaryDirectory(prefix="pg-cut-") as folder:
        async with (
            proxied(database, Path(folder)) as (proxy, url),
            running_server(url, ENGINE__POLL_HOLD_MS=HOLD) as client,
        ):
            polling = await _parked(client)
            proxy.cut_next(Cut.AFTER, MARK)
            code, _ = await status_of(start(client, idempotency_key=MARK))
            assert code is grpc.StatusCode.UNAVAILABLE
            run = await asyncio.wait_for(polling, 10)
            ((written,),) = await rows(client, "SELECT id FROM workflow_execution")
            assert UUID(run.id) == written
            assert UUID(await start(client, idempotency_key=MARK)) == written
