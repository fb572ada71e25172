"""Tasks over REST: standalone ones in full, those of workflows to look at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from falcon import testing

from proto.flovyn.v1 import task_pb2
from tests.support.calls import complete_task, fail_task, poll_task, start, submit_task
from tests.support.running import OTHER_KEY, WORKER_KEY, Client, bearer, running_server

BASE = "/api/v1/tenants/test/task-executions"


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    """A running server."""
    async with running_server(database) as client:
        yield client


async def _call(client: Client, method: str, path: str, body: object = None, **more: Any) -> testing.Result:
    return await client.rest(method, path, body, **{"key": WORKER_KEY, **more})


async def _create(client: Client, **body: Any) -> testing.Result:
    return await _call(client, "POST", BASE, {"kind": "double", **body})


async def test_a_task_from_creation_to_result(client: Client) -> None:
    """201 with the task as it is; the worker gets what was sent; the end shows what became of it."""
    created = await _create(client, input={"n": 2, "big": 12345678901234567890}, metadata={"team": "a"}, maxRetries=99)
    assert created.status_code == 201
    assert (created.json["idempotencyKeyUsed"], created.json["idempotencyKeyNew"]) == (False, True)
    assert (created.json["status"], created.json["queue"], created.json["maxRetries"]) == ("PENDING", "default", 10)
    task = await poll_task(client, worker_id="worker-7")
    assert task is not None
    assert task.input == b'{"n": 2, "big": 12345678901234567890}'
    await complete_task(client, task.task_execution_id, {"n": 4})
    shown = (await _call(client, "GET", f"{BASE}/{task.task_execution_id}")).json
    assert (shown["status"], shown["output"], shown["executionCount"]) == ("COMPLETED", {"n": 4}, 1)
    assert (shown["workerId"], shown["metadata"], shown["workflowExecutionId"]) == ("worker-7", {"team": "a"}, None)
    assert shown["completedAt"] >= shown["startedAt"] >= shown["createdAt"]


async def test_a_key_leads_to_the_task_that_exists(client: Client) -> None:
    """200 and the first task; 409 when the key belongs to a task of another kind."""
    first = await _create(client, idempotencyKey="a", idempotencyKeyTTL="5m")
    again = await _create(client, idempotencyKey="a")
    assert (first.status_code, again.status_code) == (201, 200)
    assert (again.json["id"], again.json["idempotencyKeyNew"]) == (first.json["id"], False)
    assert (await _create(client, kind="other", idempotencyKey="a")).status_code == 409


async def test_a_scheduled_task_waits_for_its_time(client: Client) -> None:
    """A task of tomorrow is not handed out, one of yesterday is."""
    tomorrow = await _create(client, scheduledAt="2999-01-01T00:00:00Z")
    assert tomorrow.json["scheduledAt"] == "2999-01-01T00:00:00Z"
    assert await poll_task(client) is None
    past = await _create(client, scheduledAt="2020-01-01T00:00:00+01:00")
    task = await poll_task(client)
    assert task is not None
    assert task.task_execution_id == past.json["id"]


async def test_lists_are_filtered_and_paged(client: Client) -> None:
    """Newest first, standalone tasks only, by status, kind and queue."""
    await submit_task(client, workflow_execution_id=await start(client), queue="w")
    ids = [(await _create(client, queue=queue)).json["id"] for queue in ("a", "a", "b")]
    done = await poll_task(client, "b")
    assert done is not None
    await complete_task(client, done.task_execution_id)

    async def listed(**params: Any) -> tuple[list[str], int]:
        answer = (await _call(client, "GET", BASE, params=params)).json
        return [task["id"] for task in answer["tasks"]], answer["total"]

    assert await listed() == (ids[::-1], 3)
    assert await listed(limit=1, offset=1) == ([ids[1]], 3)
    assert await listed(queue="a") == ([ids[1], ids[0]], 2)
    assert await listed(status="COMPLETED") == ([ids[2]], 1)
    assert await listed(kind="other") == ([], 0)
    assert (await _call(client, "GET", BASE, params={"status": "DONE"})).status_code == 400


async def test_attempts_show_what_each_came_to(client: Client) -> None:
    """Failed ones with their errors, the last with its result, and the one that runs without an end."""
    task_id = (await _create(client, maxRetries=1)).json["id"]
    await poll_task(client)
    await fail_task(client, task_id, "boom")
    await poll_task(client)

    async def attempts() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await _call(client, "GET", f"{BASE}/{task_id}/attempts")).json["attempts"]
        return found

    first, second = await attempts()
    assert (first["attempt"], first["status"], first["error"], first["workerId"]) == (1, "FAILED", "boom", "w")
    assert first["durationMs"] >= 0
    assert (second["attempt"], second["status"], second["finishedAt"]) == (2, "RUNNING", None)
    await complete_task(client, task_id, [1])
    assert [(each["status"], each["output"]) for each in await attempts()] == [("FAILED", None), ("COMPLETED", [1])]


async def test_logs_are_paged_and_filtered(client: Client) -> None:
    """In order; by level in any case; an unknown level is refused."""
    task_id = (await _create(client)).json["id"]
    for number, level in enumerate(("INFO", "ERROR", "INFO")):
        request = task_pb2.LogMessageRequest(task_execution_id=task_id, level=level, message=f"line {number}")
        await client.tasks.LogMessage(request, metadata=bearer())

    async def lines(**params: Any) -> tuple[list[str], int]:
        answer = (await _call(client, "GET", f"{BASE}/{task_id}/logs", params=params)).json
        assert answer["taskExecutionId"] == task_id
        return [line["message"] for line in answer["logs"]], answer["total"]

    assert await lines() == (["line 0", "line 1", "line 2"], 3)
    assert await lines(level="info", limit=1, offset=1) == (["line 2"], 2)
    assert (await _call(client, "GET", f"{BASE}/{task_id}/logs", params={"level": "LOUD"})).status_code == 400


async def test_only_a_pending_task_can_be_deleted(client: Client) -> None:
    """204 and it is gone, again when repeated; 400 with the state once it has begun; 404 when it was never there."""
    pending, running = [(await _create(client, queue=queue)).json["id"] for queue in ("a", "b")]
    await poll_task(client, "b")
    for _ in range(2):
        assert (await _call(client, "DELETE", f"{BASE}/{pending}")).status_code == 204
        assert (await _call(client, "GET", f"{BASE}/{pending}")).status_code == 404
    assert (await _call(client, "DELETE", f"{BASE}/{uuid4()}")).status_code == 404
    refused = await _call(client, "DELETE", f"{BASE}/{running}")
    assert (refused.status_code, "RUNNING" in refused.json["error"]) == (400, True)


async def test_a_workflows_tasks_are_shown_at_the_workflow(client: Client) -> None:
    """With attempts and logs, and not among the standalone ones."""
    workflow_id = await start(client)
    task_id = await submit_task(client, workflow_execution_id=workflow_id)
    await poll_task(client)
    for base in ("/api/v1/tenants/test/workflow-executions", "/api/orgs/test/workflow-executions", "/api/v1/workflows"):
        (task,) = (await _call(client, "GET", f"{base}/{workflow_id}/tasks")).json["tasks"]
        assert (task["id"], task["workflowExecutionId"], task["status"]) == (task_id, workflow_id, "RUNNING")
        attempts = await _call(client, "GET", f"{base}/{workflow_id}/tasks/{task_id}/attempts")
        assert len(attempts.json["attempts"]) == 1
        assert (await _call(client, "GET", f"{base}/{workflow_id}/tasks/{task_id}/logs")).json["total"] == 0
        assert (await _call(client, "GET", f"{base}/{uuid4()}/tasks/{task_id}/logs")).status_code == 404
        assert (await _call(client, "GET", f"{base}/{uuid4()}/tasks")).status_code == 404
    assert (await _call(client, "GET", f"{BASE}/{task_id}")).status_code == 404


async def test_older_places_and_other_tenants(client: Client) -> None:
    """Clients of older names find the same tasks; other tenants find nothing."""
    task_id = (await _create(client)).json["id"]
    for base in ("/api/tenants/test/task-executions", "/api/orgs/test/task-executions", "/api/orgs/test/tasks"):
        assert (await _call(client, "GET", f"{base}/{task_id}")).json["id"] == task_id
    assert (await _call(client, "GET", f"{BASE}/{task_id}", key=OTHER_KEY)).status_code == 404
    other = f"/api/v1/tenants/other/task-executions/{task_id}"
    assert (await _call(client, "GET", other, key=OTHER_KEY)).status_code == 404


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"kind": ""}, "kind"),
        ({"queue": "q" * 101}, "queue"),
        ({"metadata": {"_flovyn_x": "1"}}, "_flovyn_"),
        ({"idempotencyKey": ""}, "idempotency_key"),
        ({"idempotencyKey": "a", "idempotencyKeyTTL": "1 day"}, "idempotencyKeyTTL"),
        ({"idempotencyKey": "a", "idempotencyKeyTTL": "31d"}, "idempotency_key_ttl"),
        ({"scheduledAt": "tomorrow"}, "scheduledAt"),
        ({"input": "x" * (1024 * 1024)}, "input"),
        ({"knd": "x"}, "knd"),
    ],
)
async def test_malformed_tasks_are_refused_by_field(client: Client, body: dict[str, Any], named: str) -> None:
    """400, with the field's name."""
    answer = await _create(client, **body)
    assert answer.status_code in (400, 413)
    assert named in answer.json["error"]
