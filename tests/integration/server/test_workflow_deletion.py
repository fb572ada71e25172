"""Deleting ended workflows over REST, with everything that belongs to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest_asyncio

from tests.support.administrators import ADMINISTERED, MEMBER_KEY, OTHER_ADMIN_KEY, ask
from tests.support.driving import Calls, create_promise, schedule_child, schedule_task
from tests.support.running import running_server

TABLES = ("workflow_event", "task_execution", "promise")


@pytest_asyncio.fixture
async def calls(database: str) -> AsyncIterator[Calls]:
    """A running server."""
    async with running_server(database, (), ADMINISTERED) as client:
        yield Calls(client)


async def test_an_ended_workflow_is_deleted_whole(calls: Calls) -> None:
    """As retention deletes it: with its history, tasks, promises and key; its child stays."""
    workflow_id, child = await calls.start(idempotency_key="key"), str(uuid4())
    await calls.step(schedule_task(str(uuid4())), create_promise("p"), schedule_child(child, queue="c"))
    path = f"/workflow-executions/{workflow_id}"
    await ask(calls.client, "POST", f"{path}/cancel", {"cascadeToChildren": False})
    assert await ask(calls.client, "DELETE", path) == (204, None)
    assert (await ask(calls.client, "GET", path))[0] == 404
    for table in TABLES:
        count = f"SELECT count(*) FROM {table} WHERE workflow_execution_id = %s"
        assert await calls.row(count, workflow_id) == (0,), table
    assert (await ask(calls.client, "GET", f"/workflow-executions/{child}"))[1]["status"] == "PENDING"
    assert await calls.start(idempotency_key="key") != workflow_id


async def test_an_open_workflow_cannot_be_deleted(calls: Calls) -> None:
    """The refusal says what to do first; nothing is deleted."""
    workflow_id = await calls.start()
    status, answer = await ask(calls.client, "DELETE", f"/workflow-executions/{workflow_id}")
    assert (status, answer["code"]) == (409, "wrong_state")
    assert "cancel or terminate it first" in answer["error"]
    assert await calls.status(workflow_id) == "PENDING"


async def test_only_administrators_of_the_tenant_delete_workflows(calls: Calls) -> None:
    """A member is refused; an administrator of another tenant does not find the workflow."""
    workflow_id = await calls.start()
    path = f"/workflow-executions/{workflow_id}"
    await ask(calls.client, "POST", f"{path}/cancel")
    assert (await ask(calls.client, "DELETE", path, key=MEMBER_KEY))[0] == 403
    assert (await ask(calls.client, "DELETE", path, key=OTHER_ADMIN_KEY))[0] == 404
    assert await calls.status(workflow_id) == "CANCELLED"
