"""A worker reads the history of what it claimed without a statement of the database, unless another process wrote to it."""

from __future__ import annotations

import re
from uuid import uuid4

from tests.support.calls import complete_task, events, poll, poll_task, signal, start, submit
from tests.support.driving import COMPLETED, SUSPENDED, schedule_task
from tests.support.running import Client, running_server

READS = re.compile(r'^flovyn_statement_duration_seconds_count\{statement="workflows.histories"\} (\d+)', re.MULTILINE)


async def _reads(client: Client) -> int:
    """Return the number of statements that have read histories."""
    found = READS.search((await client.rest("GET", "/_/metrics")).text)
    return int(found[1]) if found else 0


async def _names(client: Client, workflow_id: str) -> list[str]:
    return [name for _, name, _ in await events(client, workflow_id)]


async def test_a_worker_reads_at_its_claim_without_a_statement(database: str) -> None:
    """In each activation; a second read of one claim is a statement, and sees what came since."""
    async with running_server(database) as client:
        workflow_id, task_id = await start(client), str(uuid4())
        assert await poll(client) is not None
        assert await _names(client, workflow_id) == ["WORKFLOW_STARTED"]
        await submit(client, workflow_id, schedule_task(task_id), status=SUSPENDED)
        assert await poll_task(client) is not None
        await complete_task(client, task_id)
        assert await poll(client) is not None
        expected = ["WORKFLOW_STARTED", "TASK_SCHEDULED", "TASK_COMPLETED"]
        assert await _names(client, workflow_id) == expected
        assert await _reads(client) == 0
        assert await _names(client, workflow_id) == expected
        assert await _reads(client) == 1
        await submit(client, workflow_id, status=COMPLETED)


async def test_the_answer_without_a_statement_is_that_of_the_database(database: str) -> None:
    """Data of events are texts in the database, and are the same texts here."""
    async with running_server(database) as client:
        workflow_id = await start(client, data={"n": 1.50, "t": "ä\u2028\U0001f600"})
        assert await poll(client) is not None
        first, second = await events(client, workflow_id), await events(client, workflow_id)
        assert await _reads(client) == 1
        assert first == second


async def test_an_event_that_another_process_wrote_before_the_claim_is_read(database: str) -> None:
    """This process has the history up to the event before."""
    async with running_server(database) as here, running_server(database) as there:
        workflow_id = await start(here)
        assert await poll(here) is not None
        await submit(here, workflow_id, status=SUSPENDED)
        await signal(there, workflow_id)
        assert await poll(here) is not None
        assert await _names(here, workflow_id) == ["WORKFLOW_STARTED", "SIGNAL_RECEIVED"]
        assert await _reads(here) == 1


async def test_an_event_that_another_process_wrote_after_the_claim_is_not_slept_through(database: str) -> None:
    """The worker reads the history as it was at its claim, suspends, and gets the workflow again."""
    async with running_server(database) as here, running_server(database) as there:
        workflow_id = await start(here)
        assert await poll(here) is not None
        await signal(there, workflow_id)
        assert await _names(here, workflow_id) == ["WORKFLOW_STARTED"]
        await submit(here, workflow_id, status=SUSPENDED)
        assert await poll(here) is not None
        assert await _names(here, workflow_id) == ["WORKFLOW_STARTED", "SIGNAL_RECEIVED"]


async def test_after_a_lost_connection_histories_are_read_from_the_database(database: str) -> None:
    """A standby that took over may lack the last commits."""
    async with running_server(database) as client:
        workflow_id = await start(client)
        assert await poll(client) is not None
        client.engine.reconnected()
        assert await _names(client, workflow_id) == ["WORKFLOW_STARTED"]
        assert await _reads(client) == 1
