"""Histories near what clients can receive are told of, and ended where the operator has set a limit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.calls import poll_task
from tests.support.driving import COMPLETED, Calls, complete, operation, schedule_child, schedule_task
from tests.support.running import TENANT, WORKER_KEY, running_server

LIMIT = 65_536
BIG = json.dumps("x" * 25_000).encode()
MEBIBYTE = json.dumps("x" * 1_000_000).encode()


async def _shown(calls: Calls, workflow_id: str) -> dict[str, Any]:
    path = f"/api/v1/tenants/test/workflow-executions/{workflow_id}"
    shown: dict[str, Any] = (await calls.client.rest("GET", path, key=WORKER_KEY)).json
    return shown


async def test_a_large_history_is_warned_of(database: str, caplog: pytest.LogCaptureFixture) -> None:
    """From 3 MiB on, over REST and, once, in the log; the size is that of what is sent."""
    async with running_server(database) as client:
        calls = Calls(client)
        workflow_id = await calls.start()
        await calls.claim()
        for _ in range(3):
            await calls.submit(workflow_id, operation(result=MEBIBYTE), status=0)
        assert (await _shown(calls, workflow_id))["warnings"] == []
        await calls.submit(
            workflow_id, operation(result=BIG), operation(result=json.dumps("y" * 200_000).encode()), status=0
        )
        for _ in range(2):
            events = await calls.events(workflow_id)
        shown = await _shown(calls, workflow_id)
        sent = sum(len(kind) + len(json.dumps(data)) for _, kind, data in events)
        assert sent == pytest.approx(shown["historyBytes"], rel=0.01)
        (warning,) = shown["warnings"]
        assert "clients refuse more than 4 MiB" in warning
        logged = [record.getMessage() for record in caplog.records if workflow_id in record.getMessage()]
        assert [warning in line and str(TENANT) in line for line in logged] == [True]


async def test_a_history_that_would_outgrow_its_limit_ends(database: str) -> None:
    """The submission is taken, its commands are not carried out, and the workflow has failed with the reason."""
    async with running_server(database, ENGINE__MAX_HISTORY_BYTES=str(LIMIT)) as client:
        calls = Calls(client)
        workflow_id = await calls.start(queue="q")
        await calls.step(operation(result=BIG), queue="q", status=0)
        await calls.submit(workflow_id, operation("another", BIG), status=0)
        await calls.submit(workflow_id, schedule_task("00000000-0000-4000-8000-000000000001"), operation(result=BIG))
        assert await calls.types(workflow_id) == [
            "WORKFLOW_STARTED",
            *["OPERATION_COMPLETED"] * 2,
            "WORKFLOW_EXECUTION_FAILED",
        ]
        data = (await calls.events(workflow_id))[-1][2]
        assert (data["failureType"], str(LIMIT) in data["error"]) == ("HISTORY_LIMIT", True)
        assert await poll_task(client, "q") is None
        assert (await _shown(calls, workflow_id))["status"] == "FAILED"


async def test_the_parent_of_a_workflow_that_outgrew_its_limit_hears_of_it(database: str) -> None:
    """As of any failure: the parent is locked with the child although the submission itself ends nothing."""
    async with running_server(database, ENGINE__MAX_HISTORY_BYTES=str(LIMIT)) as client:
        calls = Calls(client)
        parent = await calls.start()
        await calls.step(schedule_child("00000000-0000-4000-8000-000000000002"))
        await calls.step(operation(result=json.dumps("x" * LIMIT).encode()))
        assert (await calls.claim()).id == parent
        assert (await calls.types(parent))[-1] == "CHILD_WORKFLOW_FAILED"


async def test_a_workflow_that_ends_by_itself_may_be_as_large_as_it_is(database: str) -> None:
    """A result that goes over the limit is still the result."""
    async with running_server(database, ENGINE__MAX_HISTORY_BYTES=str(LIMIT)) as client:
        calls = Calls(client)
        workflow_id = await calls.start()
        await calls.step(complete(json.dumps("x" * LIMIT).encode()), status=COMPLETED)
        assert (await calls.types(workflow_id))[-1] == "WORKFLOW_COMPLETED"
