"""Workers and definitions over REST."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest_asyncio

from proto.flovyn.v1 import worker_pb2 as pb
from tests.support.running import OTHER_KEY, TENANT, WORKER_KEY, Client, bearer, running_server

BASE = "/api/v1/tenants/test"


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    """A running server."""
    async with running_server(database) as client:
        yield client


async def _register(client: Client, name: str, **fields: Any) -> str:
    request = pb.WorkerRegistrationRequest(
        **{
            "worker_name": name,
            "worker_type": "UNIFIED",
            "tenant_id": str(TENANT),
            "workflows": [pb.WorkflowCapability(kind="order", input_schema=b'{"type":"object"}', tags=["a"])],
            "tasks": [pb.TaskCapability(kind="charge", name="Charge", timeout_seconds=5, output_schema=b"{}")],
            **fields,
        }
    )
    return str((await client.lifecycle.RegisterWorker(request, metadata=bearer())).worker_id)


async def _get(client: Client, path: str, **more: Any) -> Any:
    answer = await client.rest("GET", BASE + path, **{"key": WORKER_KEY, **more})
    return answer.json if answer.status_code == 200 else answer.status_code


async def _silence(client: Client, name: str) -> None:
    async with client.pool.connection() as connection:
        statement = b"UPDATE worker SET last_heartbeat_at = now() - interval '1 hour' WHERE worker_name = %s"
        await connection.execute(statement, [name])


async def test_workers_are_shown_with_what_they_can_run(client: Client) -> None:
    """By name, by type, by id; a silent one is offline."""
    one = await _register(client, "one", metadata=b'{"zone": 1}', host_name="h", process_id="7")
    await _register(client, "two", worker_type="TASK", workflows=[])
    await _silence(client, "two")
    listed = await _get(client, "/workers")
    assert [(each["workerName"], each["status"]) for each in listed["workers"]] == [
        ("one", "ONLINE"),
        ("two", "OFFLINE"),
    ]
    assert listed["total"] == 2
    assert [each["workerName"] for each in (await _get(client, "/workers?type=TASK"))["workers"]] == ["two"]
    shown = await _get(client, f"/workers/{one}")
    assert (shown["id"], shown["hostName"], shown["processId"], shown["metadata"]) == (one, "h", "7", {"zone": 1})
    assert (shown["workflows"], shown["tasks"]) == (["order"], ["charge"])
    assert await _get(client, f"/workers/{uuid4()}") == 404
    assert await _get(client, "/workers?type=ROBOT") == 400


async def test_definitions_are_shown_with_their_schemas_and_their_workers(client: Client) -> None:
    """Available while all of their workers show life, degraded with some, unavailable with none."""
    for name in ("one", "two"):
        await _register(client, name)
    (workflow,) = (await _get(client, "/workflow-definitions"))["workflowDefinitions"]
    assert (workflow["kind"], workflow["inputSchema"], workflow["tags"]) == ("order", {"type": "object"}, ["a"])
    assert (workflow["workers"], workflow["availability"]) == (["one", "two"], "AVAILABLE")
    await _silence(client, "one")
    task = await _get(client, "/task-definitions/charge")
    assert (task["name"], task["timeoutSeconds"], task["outputSchema"]) == ("Charge", 5, {})
    assert task["availability"] == "DEGRADED"
    await _silence(client, "two")
    assert (await _get(client, "/workflow-definitions/order"))["availability"] == "UNAVAILABLE"
    assert await _get(client, "/task-definitions/order") == 404


async def test_other_tenants_workers_are_not_shown(client: Client) -> None:
    """Neither in a list nor by id or kind."""
    worker_id = await _register(client, "one")
    for path in (f"/workers/{worker_id}", "/workers"):
        assert await _get(client, path, key=OTHER_KEY) == 404
    answer = await client.rest("GET", "/api/orgs/other/workers", key=OTHER_KEY)
    assert answer.json["total"] == 0
    answer = await client.rest("GET", f"/api/orgs/other/workers/{worker_id}", key=OTHER_KEY)
    assert answer.status_code == 404
