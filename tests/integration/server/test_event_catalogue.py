"""Histories hold the events of the protocol's catalogue and no others, each with exactly its keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from proto.flovyn.v1 import workflow_pb2 as pb
from server.domain.workflow_event import EventType
from tests.support.calls import complete_task, poll_task
from tests.support.driving import (
    COMPLETED,
    FAILED,
    RUNNING,
    Calls,
    cancel_timer,
    complete,
    create_promise,
    fail,
    operation,
    resolve_promise,
    schedule_child,
    schedule_task,
    send_signal,
    start_timer,
)
from tests.support.running import WORKER_KEY, bearer, running_server

AUDIT_ONLY = {"TASK_CANCELLED"}
"""In the catalogue, because workers know it; never written, because none of them takes it for an end."""

KEYS = {
    "WORKFLOW_STARTED": {"input", "workflowKind"},
    "OPERATION_COMPLETED": {"operationName", "result"},
    "STATE_SET": {"key", "value"},
    "STATE_CLEARED": {"key"},
    "TASK_SCHEDULED": {"kind", "taskExecutionId", "input", "queue", "maxRetries", "timeoutMs"},
    "TASK_COMPLETED": {"taskExecutionId", "output"},
    "TASK_FAILED": {"taskExecutionId", "error", "retryable"},
    "TIMER_STARTED": {"timerId", "durationMs"},
    "TIMER_FIRED": {"timerId"},
    "TIMER_CANCELLED": {"timerId"},
    "PROMISE_CREATED": {"promiseId", "promiseName", "timeoutMs"},
    "PROMISE_RESOLVED": {"promiseId", "promiseName", "value"},
    "PROMISE_REJECTED": {"promiseId", "promiseName", "error"},
    "PROMISE_TIMEOUT": {"promiseId", "promiseName"},
    "CHILD_WORKFLOW_INITIATED": {
        "childExecutionName",
        "childExecutionId",
        "childWorkflowKind",
        "childWorkflowExecutionId",
        "input",
        "queue",
    },
    "CHILD_WORKFLOW_COMPLETED": {"childExecutionName", "childExecutionId", "output"},
    "CHILD_WORKFLOW_FAILED": {"childExecutionName", "childExecutionId", "error", "childworkflowExecutionId"},
    "SIGNAL_RECEIVED": {"signalName", "signalValue"},
    "WORKFLOW_SUSPENDED": {"reason"},
    "WORKFLOW_COMPLETED": {"output"},
}


@pytest_asyncio.fixture
async def calls(database: str) -> AsyncIterator[Calls]:
    """A running server."""
    async with running_server(database) as client:
        yield Calls(client)


async def test_every_event_has_its_keys(calls: Calls) -> None:
    """One workflow that sees them all, with null for every value: keys stay although their values are null."""
    workflow_id = await calls.start(queue="q")
    await calls.claim("q")
    good, bad, task, hopeless = (str(uuid4()) for _ in range(4))
    await calls.submit(
        workflow_id,
        operation(),
        pb.WorkflowCommand(set_state=pb.SetStateCommand(key="a")),
        pb.WorkflowCommand(clear_state=pb.ClearStateCommand(key="a")),
        schedule_task(task, timeout_ms=600_000),
        schedule_task(hopeless, timeout_ms=1, queue="nobody"),
        start_timer("timer-0", 0),
        start_timer("timer-1", 600_000),
        cancel_timer("timer-1"),
        *(create_promise(name, timeout_ms=limit) for name, limit in (("a", 600_000), ("b", 600_000), ("c", 1))),
        resolve_promise("a"),
        schedule_child(good, "good", queue="good"),
        schedule_child(bad, "bad", queue="bad"),
        pb.WorkflowCommand(suspend_workflow=pb.SuspendWorkflowCommand(reason="r")),
        status=RUNNING,
    )
    promises = {
        d["promiseName"]: d["promiseId"] for _, kind, d in await calls.events(workflow_id) if "promiseName" in d
    }
    reject = pb.RejectPromiseRequest(promise_id=promises["b"], error="no")
    await calls.dispatch.RejectPromise(reject, metadata=bearer())
    await calls.dispatch.SignalWorkflow(send_signal(workflow_id), metadata=bearer())
    await calls.step(complete(), queue="good", status=COMPLETED)
    await calls.step(fail(), queue="bad", status=FAILED)
    claimed = await calls.until(lambda: poll_task(calls.client, "q"), lambda found: found is not None)
    assert claimed is not None
    await complete_task(calls.client, claimed.task_execution_id)
    for each in ("TASK_COMPLETED", "TASK_FAILED", "TIMER_FIRED", "PROMISE_TIMEOUT"):
        await calls.until_event(workflow_id, each)
    await calls.submit(workflow_id, complete(), status=COMPLETED)
    shown = {kind: set(data) for _, kind, data in await calls.events(workflow_id)}
    assert shown == KEYS


async def test_the_catalogue_is_complete(calls: Calls) -> None:
    """Covers the other ends of a workflow; only event types of the catalogue can be written."""
    failed, cancelled = await calls.start(queue="f"), await calls.start(queue="c")
    await calls.step(fail(), queue="f", status=FAILED)
    end = pb.WorkflowCommand(cancel_workflow=pb.CancelWorkflowCommand(reason="enough"))
    await calls.step(end, queue="c", status=pb.WORKFLOW_STATUS_CANCELLED)
    running = await calls.start()
    path = f"/api/v1/tenants/test/workflow-executions/{running}/cancel"
    await calls.client.rest("POST", path, {"reason": "enough"}, key=WORKER_KEY)
    ends = [event for workflow_id in (failed, cancelled, running) for event in (await calls.events(workflow_id))[1:]]
    keys = {kind: set(data) for _, kind, data in ends}
    assert keys == {
        "WORKFLOW_EXECUTION_FAILED": {"error", "failureType"} | (keys["WORKFLOW_EXECUTION_FAILED"] & {"stackTrace"}),
        "WORKFLOW_CANCELLED": {"reason"},
        "CANCELLATION_REQUESTED": {"reason", "requestedBy"},
    }
    assert set(EventType) == KEYS.keys() | keys.keys() | AUDIT_ONLY


async def test_a_history_that_few_can_still_receive_is_warned_of(
    calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    """Once per run, with its id; a small one is nothing to mention."""
    large, small = await calls.start(), await calls.start(b'"x"')
    await calls.claim_pending()
    for number in range(4):
        await calls.submit(large, operation(f"op-{number}", b'"%s"' % (b"x" * 800_000)), status=RUNNING)
    for workflow_id in (small, large, large):
        await calls.events(workflow_id)
    warnings = [each.getMessage() for each in caplog.records if "clients refuse" in each.getMessage()]
    assert [large in each for each in warnings] == [True]


async def test_the_data_of_a_command_counts_and_not_its_type(calls: Calls) -> None:
    """Where the two disagree; a command without data of no type is nothing."""
    workflow_id = await calls.start()
    await calls.claim()
    odd = operation("op")
    odd.command_type = pb.COMMAND_TYPE_START_TIMER
    await calls.submit(workflow_id, odd, pb.WorkflowCommand(), status=RUNNING)
    assert await calls.types(workflow_id) == ["WORKFLOW_STARTED", "OPERATION_COMPLETED"]
