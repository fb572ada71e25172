"""Every place of the protocol's REST catalogue is served, under each of its names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest_asyncio

from plugins.worker_token.plugin import WorkerTokenPlugin
from tests.support.running import Client, running_server

TENANT_PLACES = ("/api/v1/tenants", "/api/tenants", "/api/orgs")
OPEN = ("/_/health", "/health", "/_/health/live", "/_/health/ready", "/_/health/startup", "/_/ready")
GUARDED = ("/_/metrics", "/api/docs", "/api/docs/openapi.json")

WORKFLOW_ROUTES = (
    ("POST", ""),
    ("GET", ""),
    ("GET", "/ID"),
    ("GET", "/ID/events"),
    ("POST", "/ID/cancel"),
    ("POST", "/ID/retry"),
    ("GET", "/ID/tasks"),
    ("GET", "/ID/children"),
    ("GET", "/ID/tasks/ID/attempts"),
    ("GET", "/ID/tasks/ID/logs"),
    ("GET", "/ID/state"),
    ("POST", "/ID/signal"),
    ("POST", "/signal-with-start"),
    ("GET", "/ID/stream"),
    ("GET", "/ID/stream/consolidated"),
)
TASKS = (
    ("POST", ""),
    ("GET", ""),
    ("GET", "/ID"),
    ("DELETE", "/ID"),
    ("GET", "/ID/attempts"),
    ("GET", "/ID/logs"),
)
SCHEDULES = (
    ("POST", ""),
    ("GET", ""),
    ("GET", "/ID"),
    ("PUT", "/ID"),
    ("DELETE", "/ID"),
    ("POST", "/ID/pause"),
    ("POST", "/ID/resume"),
    ("POST", "/ID/trigger"),
    ("GET", "/ID/runs"),
)
OF_A_TENANT = (
    ("GET", ""),
    ("POST", "/worker-tokens"),
    ("GET", "/worker-tokens"),
    ("DELETE", "/worker-tokens/ID"),
    *((method, f"/workflow-executions{path}") for method, path in WORKFLOW_ROUTES),
    *((method, f"/task-executions{path}") for method, path in TASKS),
    ("GET", "/task-executions/ID/stream"),
    ("POST", "/promises/ID/resolve"),
    ("POST", "/promises/key:a:b/reject"),
    ("GET", "/workers"),
    ("GET", "/workers/ID"),
    ("GET", "/workflow-definitions"),
    ("GET", "/workflow-definitions/k"),
    ("GET", "/task-definitions"),
    ("GET", "/task-definitions/k"),
    *((method, f"/schedules{path}") for method, path in SCHEDULES),
)
OLDER = (
    *((method, f"/tasks{path}") for method, path in TASKS),
    ("GET", "/stream/workflows/ID"),
    ("GET", "/stream/workflows/ID/consolidated"),
    ("GET", "/stream/tasks/ID"),
)


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    async with running_server(database, [WorkerTokenPlugin], WORKER_TOKEN_SECRET="s" * 32) as client:
        yield client


async def test_every_place_of_the_catalogue_is_there(client: Client) -> None:
    """A stranger is asked for credentials, which shows that something is there and that it is guarded."""
    places = [(method, base) for base in TENANT_PLACES for method in ("POST", "GET")]
    places += [(method, f"{base}/test{path}") for base in TENANT_PLACES for method, path in OF_A_TENANT]
    places += [(method, f"{base}/test{path}") for base in TENANT_PLACES[1:] for method, path in OLDER]
    places += [(method, f"/api/v1/workflows{path}") for method, path in WORKFLOW_ROUTES]
    places += [("POST", f"/api/promises/ID/{verb}") for verb in ("resolve", "reject")]
    places += [("GET", path) for path in GUARDED]
    found = {
        (method, path): (await client.rest(method, path.replace("ID", str(uuid4())), key=None)).status_code
        for method, path in places
    }
    assert {place: status for place, status in found.items() if status != 401} == {}
    for path in OPEN:
        assert (await client.rest("GET", path, key=None)).status_code == 200
