"""The worked histories of the protocol's description, event by event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest_asyncio

from proto.flovyn.v1 import workflow_pb2 as pb
from tests.support.calls import complete_task, fail_task, poll_task
from tests.support.driving import (
    COMPLETED,
    FAILED,
    SUSPENDED,
    Calls,
    complete,
    create_promise,
    fail,
    schedule_child,
    schedule_task,
    send_signal,
    signal_with_start,
    start_timer,
)
from tests.support.running import bearer, running_server


@pytest_asyncio.fixture
async def calls(database: str) -> AsyncIterator[Calls]:
    """A running server."""
    async with running_server(database) as client:
        yield Calls(client)


async def _task(calls: Calls) -> str:
    task = await calls.until(lambda: poll_task(calls.client, "q"), lambda found: found is not None)
    assert task is not None
    return task.task_execution_id


def _suspend() -> pb.WorkflowCommand:
    return pb.WorkflowCommand(suspend_workflow=pb.SuspendWorkflowCommand(reason="waiting"))


async def test_one_task_in_the_style_of_ffi(calls: Calls) -> None:
    """Every activation numbers its commands from 1; the server stores 1, 2, 3, 4."""
    workflow_id, task_id = await calls.start(b'{"n":2}', queue="q"), str(uuid4())
    await calls.step(schedule_task(task_id, "double", b'{"n":2}'), queue="q")
    await complete_task(calls.client, await _task(calls), {"n": 4})
    await calls.step(complete(b'{"n":4}'), queue="q", status=COMPLETED)
    scheduled = {"kind": "double", "taskExecutionId": task_id, "input": {"n": 2}, "queue": "q", "maxRetries": 3}
    assert await calls.events(workflow_id) == [
        (1, "WORKFLOW_STARTED", {"input": {"n": 2}, "workflowKind": "k"}),
        (2, "TASK_SCHEDULED", scheduled),
        (3, "TASK_COMPLETED", {"taskExecutionId": task_id, "output": {"n": 4}}),
        (4, "WORKFLOW_COMPLETED", {"output": {"n": 4}}),
    ]


async def test_a_completion_between_claim_and_suspension(calls: Calls) -> None:
    """The workflow goes round once more, and then waits: no lost wake-up, and no loop."""
    workflow_id = await calls.start(queue="q")
    await calls.step(schedule_task(str(uuid4())), schedule_task(str(uuid4())), queue="q")
    await calls.dispatch.SignalWorkflow(send_signal(workflow_id), metadata=bearer())
    first, second = await _task(calls), await _task(calls)
    claimed = await calls.claim("q")
    assert claimed.current_sequence == 4
    await calls.events(workflow_id)
    await complete_task(calls.client, first)
    await calls.submit(workflow_id)
    claimed = await calls.claim("q")
    assert claimed.current_sequence == 5
    await calls.events(workflow_id)
    await calls.submit(workflow_id)
    assert await calls.status(workflow_id) == "WAITING"
    await complete_task(calls.client, second)
    assert await calls.status(workflow_id) == "PENDING"
    assert (await calls.claim("q")).current_sequence == 6


async def test_a_timer_and_a_promise_in_the_style_of_rust(calls: Calls) -> None:
    """With explicit suspensions, which are events of their own."""
    workflow_id = await calls.start()
    await calls.step(start_timer("sleep-1", 30), _suspend())
    await calls.step(create_promise("approval"), _suspend())
    promise_id = (await calls.events(workflow_id))[4][2]["promiseId"]
    request = pb.ResolvePromiseRequest(promise_id=promise_id, value=b"true")
    await calls.dispatch.ResolvePromise(request, metadata=bearer())
    await calls.step(complete(b"true"), status=COMPLETED)
    promise = {"promiseId": promise_id, "promiseName": "approval"}
    assert await calls.events(workflow_id) == [
        (1, "WORKFLOW_STARTED", {"input": None, "workflowKind": "k"}),
        (2, "TIMER_STARTED", {"timerId": "sleep-1", "durationMs": 30}),
        (3, "WORKFLOW_SUSPENDED", {"reason": "waiting"}),
        (4, "TIMER_FIRED", {"timerId": "sleep-1"}),
        (5, "PROMISE_CREATED", promise),
        (6, "WORKFLOW_SUSPENDED", {"reason": "waiting"}),
        (7, "PROMISE_RESOLVED", {**promise, "value": True}),
        (8, "WORKFLOW_COMPLETED", {"output": True}),
    ]


async def test_code_that_catches_its_own_suspension(calls: Calls) -> None:
    """One batch schedules a child and completes; the child workflows by itself and the parent hears nothing more."""
    parent, child = await calls.start(), str(uuid4())
    await calls.step(schedule_child(child), complete(), status=COMPLETED)
    assert await calls.step(complete(), status=COMPLETED) == child
    assert await calls.types(parent) == ["WORKFLOW_STARTED", "CHILD_WORKFLOW_INITIATED", "WORKFLOW_COMPLETED"]


async def test_a_task_with_one_retry_and_one_that_fails_for_good(calls: Calls) -> None:
    """A failed attempt is no event; after the last one there is one TASK_FAILED with the last error."""
    workflow_id, task_id = await calls.start(queue="q"), str(uuid4())
    await calls.step(schedule_task(task_id), queue="q")
    await fail_task(calls.client, await _task(calls), "first")
    assert await calls.types(workflow_id) == ["WORKFLOW_STARTED", "TASK_SCHEDULED"]
    await complete_task(calls.client, await _task(calls))
    failing = str(uuid4())
    await calls.step(schedule_task(failing), queue="q")
    for attempt in range(1, 5):
        await fail_task(calls.client, await _task(calls), f"attempt {attempt}")
    types = ["WORKFLOW_STARTED", "TASK_SCHEDULED", "TASK_COMPLETED", "TASK_SCHEDULED", "TASK_FAILED"]
    assert await calls.types(workflow_id) == types
    data = (await calls.events(workflow_id))[-1][2]
    assert {"taskExecutionId": failing, "error": "attempt 4", "retryable": False}.items() <= data.items()


async def test_signal_with_start_then_signal(calls: Calls) -> None:
    """The answers tell the numbers of the signals' events."""
    request = signal_with_start("w", signal_value=b'"a"')
    first = await calls.dispatch.SignalWithStartWorkflow(request, metadata=bearer())
    assert (first.workflow_created, first.signal_event_sequence) == (True, 2)
    second = await calls.dispatch.SignalWorkflow(send_signal(first.workflow_execution_id), metadata=bearer())
    assert second.signal_event_sequence == 3
    history = await calls.events(first.workflow_execution_id)
    assert [event[:2] for event in history] == [
        (1, "WORKFLOW_STARTED"),
        (2, "SIGNAL_RECEIVED"),
        (3, "SIGNAL_RECEIVED"),
    ]
    assert history[1][2] == {"signalName": "message", "signalValue": "a"}


async def test_a_failing_child(calls: Calls) -> None:
    """The parent hears the child's own words, with the id under every name that workers read."""
    parent, child = await calls.start(), str(uuid4())
    await calls.step(schedule_child(child, "c1", "k"))
    await calls.step(fail("boom"), status=FAILED)
    initiated = {
        "childExecutionName": "c1",
        "childExecutionId": child,
        "childWorkflowExecutionId": child,
        "childWorkflowKind": "k",
        "input": {},
        "queue": "default",
    }
    failed = {
        "childExecutionName": "c1",
        "childExecutionId": child,
        "childworkflowExecutionId": child,
        "error": "boom",
    }
    assert (await calls.events(parent))[1:] == [
        (2, "CHILD_WORKFLOW_INITIATED", initiated),
        (3, "CHILD_WORKFLOW_FAILED", failed),
    ]
    ended: dict[str, Any] = {"error": "boom", "stackTrace": "", "failureType": "ERROR"}
    assert (await calls.events(child))[1] == (2, "WORKFLOW_EXECUTION_FAILED", ended)


async def test_an_empty_poll_is_answered_after_the_hold_whatever_it_asks_for(calls: Calls) -> None:
    """Workers block on it: a time-out of 30 s in the request does not lengthen it."""
    async with asyncio.timeout(5):
        assert await calls.poll(timeout_seconds=30) is None


async def test_a_restart_of_the_server_loses_nothing(database: str) -> None:
    """A timer, a promise and a task are open when one server ends; the next one carries the workflow on."""
    async with running_server(database) as client:
        calls, task_id = Calls(client), str(uuid4())
        workflow_id = await calls.start(queue="q")
        await calls.step(start_timer("t", 1), create_promise("p"), schedule_task(task_id), queue="q", status=SUSPENDED)
    async with running_server(database) as client:
        calls = Calls(client)
        await complete_task(client, await _task(calls))
        request = pb.ResolvePromiseRequest(promise_id=f"{workflow_id}:p")
        await calls.dispatch.ResolvePromise(request, metadata=bearer())
        history = await calls.until_event(workflow_id, "TIMER_FIRED")
        assert sorted(event[1] for event in history[4:]) == ["PROMISE_RESOLVED", "TASK_COMPLETED", "TIMER_FIRED"]
        await calls.step(complete(), queue="q", status=COMPLETED)
