"""Work whose poller never got it is released: at once or later, and only while the claim is the present one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from core.errors import Unavailable
from server.domain.cancellation import CancellationRequest
from server.domain.claim import Claim
from server.domain.task import TaskSlot
from server.domain.workflow import PollSlot
from tests.support.calls import events, poll, poll_task, rows, start, submit_task
from tests.support.driving import until
from tests.support.running import TENANT, Client, running_server


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    """A running server."""
    async with running_server(database) as client:
        yield client


async def test_a_released_claim_must_be_the_current_one(client: Client) -> None:
    """A claim that is released late does not take the workflow from its next worker."""
    workflow_id = await start(client)
    workflows = client.engine.workflows
    first = await workflows.poll(PollSlot(TENANT, "default", Claim("w")), 0)
    assert first is not None
    await workflows.release([first])
    second = await poll(client)
    assert second is not None
    assert second.id == workflow_id
    await workflows.release([first])
    assert await poll(client) is None


async def test_a_released_workflow_that_is_to_be_cancelled_does_not_wait(client: Client) -> None:
    """The cancellation came between the claim and its release: the next sweep ends the workflow, and no lease is waited for."""
    workflow_id = await start(client)
    claimed = await client.engine.workflows.poll(PollSlot(TENANT, "default", Claim("w")), 0)
    assert claimed is not None
    cancellation = client.engine.workflows.cancellation
    await cancellation.cancel(CancellationRequest(TENANT, claimed.id, "enough", "test"))
    await client.engine.workflows.release([claimed])
    await until(lambda: events(client, workflow_id), lambda history: history[-1][1] == "WORKFLOW_CANCELLED")


async def test_a_task_that_no_worker_received_counts_no_attempt(client: Client) -> None:
    """Released, it is dispatched again as the same attempt; released late, it stays with its next worker."""
    task_id = await submit_task(client)
    claims = client.engine.tasks.claims
    lost = await claims.poll(TaskSlot(TENANT, "default", Claim("w")), 0)
    assert lost is not None
    await claims.release([lost])
    again = await poll_task(client)
    assert again is not None
    assert (again.task_execution_id, again.execution_count) == (task_id, 1)
    await claims.release([lost])
    assert await rows(client, "SELECT status, execution_count FROM task_execution") == [("RUNNING", 1)]


@pytest.mark.parametrize(
    ("create", "ask", "table"), [(start, poll, "workflow_execution"), (submit_task, poll_task, "task_execution")]
)
async def test_work_that_cannot_be_released_at_the_moment_is_released_later(
    client: Client, create: Callable[..., Awaitable[str]], ask: Callable[..., Awaitable[Any]], table: str
) -> None:
    """The database is away when the poller has gone, for however long."""
    await create(client)
    slot: Any = PollSlot if create is start else TaskSlot
    engine = client.engine
    claims: Any = engine.workflows.claims if create is start else engine.tasks.claims
    claimed = await claims.poll(slot(TENANT, "default", Claim("w")), 0)
    storage = claims._storage
    release = storage.release

    async def fail(_work: Any) -> None:
        raise Unavailable("the database is away")

    storage.release = fail
    await claims.release([claimed])
    storage.release = release
    async with asyncio.timeout(10):
        while await ask(client) is None:
            pass
    assert await rows(client, f"SELECT count(*) FROM {table}") == [(1,)]
