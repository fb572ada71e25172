"""The test harnesses of existing SDKs: their file and their environment start the server, their two keys run a workflow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from proto.flovyn.v1 import worker_pb2, worker_pb2_grpc, workflow_pb2, workflow_pb2_grpc
from tests.support.pex import Serving
from tests.support.running import bearer

ORG = "550e8400-e29b-41d4-a716-446655440000"
USER_KEY = "flovyn_sk_test_0123456789abcdef"
WORKER_KEY = "flovyn_wk_test_0123456789abcdef"

CONFIG = f"""
[[orgs]]
id = "{ORG}"
name = "Test Organization"
slug = "test-org"
tier = "FREE"

[nats]
enabled = true
url = "nats://nats:4222"

[otel]
enabled = false

[metrics]
enabled = false

[auth]
enabled = true

[auth.static_api_key]
keys = [
    {{ key = "{USER_KEY}", org_id = "{ORG}", principal_type = "User", principal_id = "api:test", role = "ADMIN" }},
    {{ key = "{WORKER_KEY}", org_id = "{ORG}", principal_type = "Worker", principal_id = "worker:test" }},
]

[auth.cedar]
policies = "default"

[auth.endpoints.http]
authenticators = ["static_api_key"]
authorizer = "cedar"

[auth.endpoints.grpc]
authenticators = ["static_api_key"]
authorizer = "cedar"
"""


@pytest.fixture
def served(empty_database: str, tmp_path: Path) -> Iterator[Serving]:
    """The full edition, started as a harness does: an empty database, a file, and variables; no secret of tokens."""
    file = tmp_path / "config.toml"
    file.write_text(CONFIG)
    url = empty_database.replace("postgresql://", "postgres://")
    assert url.startswith("postgres://")
    nats = {"NATS__ENABLED": "true", "NATS__URL": "nats://nats:4222"}
    with Serving("FULL_PEX", url, CONFIG_FILE=str(file), **nats) as server:
        yield server


async def test_a_workflow_runs_with_the_harness_file(served: Serving) -> None:
    """Health needs no key; the user starts over gRPC and reads over REST, the worker registers, polls and completes."""
    status, health = served.get("/_/health")
    assert (status, health["status"]) == (200, "UP")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{served.grpc_port}") as channel:
        workflow_id = await _run_one(channel)
        assert await _refused(channel)
    place = f"/api/orgs/test-org/workflow-executions/{workflow_id}"
    status, events = served.get(f"{place}/events", USER_KEY)
    assert (status, [(each["eventType"], each["data"]) for each in events["events"]]) == (
        200,
        [
            ("WORKFLOW_STARTED", {"input": {"n": 1}, "workflowKind": "k"}),
            ("WORKFLOW_COMPLETED", {"output": {"n": 2}}),
        ],
    )
    for other in (f"/api/tenants/{ORG}", "/api/v1/tenants/test-org"):
        assert served.get(f"{other}/workflow-executions/{workflow_id}", USER_KEY)[1]["status"] == "COMPLETED"
    assert served.get(place)[0] == 401
    assert served.get(place, "flovyn_sk_test_another_key_here")[0] == 401


async def _run_one(channel: grpc.aio.Channel) -> str:
    """Run a workflow: the client has the user's key, the worker its own."""
    dispatch: Any = workflow_pb2_grpc.WorkflowDispatchStub(channel)
    lifecycle: Any = worker_pb2_grpc.WorkerLifecycleStub(channel)
    registration = worker_pb2.WorkerRegistrationRequest(
        worker_name="ffi-worker-q",
        worker_type="UNIFIED",
        tenant_id=ORG,
        workflows=[worker_pb2.WorkflowCapability(kind="k", version="1.0.0")],
    )
    worker = await lifecycle.RegisterWorker(registration, metadata=bearer(WORKER_KEY))
    assert worker.success
    start = workflow_pb2.StartWorkflowRequest(
        tenant_id=ORG, workflow_kind="k", queue="q", input=json.dumps({"n": 1}).encode()
    )
    workflow_id = str((await dispatch.StartWorkflow(start, metadata=bearer(USER_KEY))).workflow_execution_id)
    poll = workflow_pb2.PollRequest(worker_id=worker.worker_id, tenant_id=ORG, queue="q", timeout_seconds=30)
    claimed = await dispatch.PollWorkflow(poll, metadata=bearer(WORKER_KEY))
    assert claimed.workflow_execution.id == workflow_id
    submission = workflow_pb2.SubmitWorkflowCommandsRequest(
        workflow_execution_id=workflow_id,
        commands=[
            workflow_pb2.WorkflowCommand(
                sequence_number=1, complete_workflow=workflow_pb2.CompleteWorkflowCommand(output=b'{"n": 2}')
            )
        ],
        status=workflow_pb2.WORKFLOW_STATUS_COMPLETED,
    )
    await dispatch.SubmitWorkflowCommands(submission, metadata=bearer(WORKER_KEY))
    return workflow_id


async def _refused(channel: grpc.aio.Channel) -> bool:
    """Whether a call without a key is refused."""
    dispatch: Any = workflow_pb2_grpc.WorkflowDispatchStub(channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await dispatch.PollWorkflow(workflow_pb2.PollRequest(tenant_id=ORG))
    return caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
