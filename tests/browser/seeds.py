"""Work of every kind and in every state, so that each page of the console has something to show."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast
from uuid import uuid4

from proto.flovyn.v1 import agent_pb2, worker_pb2
from tests.browser.served import ADMIN_KEY, Served
from tests.support.agents import Agents
from tests.support.calls import complete_task, fail_task, poll_task, signal, submit_task
from tests.support.driving import (
    COMPLETED,
    FAILED,
    Calls,
    complete,
    create_promise,
    fail,
    operation,
    schedule_child,
    schedule_task,
    start_timer,
)
from tests.support.running import TENANT, Client, Connection

LONG = "the card reader at gate 7 did not answer within 30 s; " * 6
BASE = "/api/v1/tenants/test"


@dataclass(frozen=True)
class Seeded:
    """Ids of what there is.

    Attributes:
        order: a workflow with tasks, a timer, a promise, a signal and a child, one of whose tasks is tried again.
        failed: a workflow that failed.
        task: a standalone task that failed.
        agent: an agent that waits for a signal.
    """

    order: str
    failed: str
    task: str
    agent: str


def schedule(name: str, kind: str, cron: str) -> dict[str, Any]:
    """Return the body that creates a schedule of a workflow."""
    timing = {"type": "recurring", "cron": cron}
    return {"name": name, "scheduleType": timing, "target": {"type": "workflow", "workflowKind": kind}}


def calls_at(connection: Connection) -> Calls:
    """Return the calls of a worker at a server in another process."""
    return Calls(cast("Client", connection))


async def seed(served: Served, connection: Connection) -> Seeded:
    """Fill the tenant."""
    calls = calls_at(connection)
    await _register(connection)
    failed = await _failed(calls)
    order = await _order(calls)
    for number in range(3):
        await calls.start(b'{"month": %d}' % number, workflow_kind="invoice", queue="invoices")
    _schedules(served)
    _send(
        served, "POST", "/api/v1/p/worker-token/tokens", {"displayName": "payments in Frankfurt", "description": "k8s"}
    )
    return Seeded(order, failed, await _task(calls), await _agent(served, connection))


def _send(served: Served, method: str, path: str, body: object) -> Any:
    status, answer = served.serving.send(method, path, ADMIN_KEY, body)
    assert status in (200, 201), answer
    return answer


async def _register(connection: Connection) -> None:
    request = worker_pb2.WorkerRegistrationRequest(
        worker_name="payments-1",
        worker_version="3.2.0",
        worker_type="UNIFIED",
        tenant_id=str(TENANT),
        host_name="payments-7d9f.internal",
        process_id="4711",
        workflows=[
            worker_pb2.WorkflowCapability(
                kind="order",
                name="An order",
                description="Carries an order from the basket to the invoice",
                input_schema=b'{"type":"object","required":["item"],"properties":{"item":{"type":"string"}}}',
            )
        ],
        tasks=[worker_pb2.TaskCapability(kind="charge-card", name="Charge", timeout_seconds=5)],
    )
    await connection.lifecycle.RegisterWorker(request, metadata=connection.metadata)


async def _failed(calls: Calls) -> str:
    failed = await calls.start(b'{"item": "lamp"}', workflow_kind="order")
    await calls.step(operation("reserve"), fail(LONG), status=FAILED)
    return failed


async def _order(calls: Calls) -> str:
    order = await calls.start(b'{"item": "book", "amount": 123456789012345678901234567890.10}', workflow_kind="order")
    tasks = [str(uuid4()) for _ in range(3)]
    kinds = ("reserve-stock", "charge-card", "print-label")
    await calls.step(
        *(
            schedule_task(task, kind, b'{"item": "book"}', max_retries=3)
            for task, kind in zip(tasks, kinds, strict=True)
        ),
        start_timer("remind-after-a-day", 86_400_000),
        create_promise("approval"),
        schedule_child(str(uuid4()), "delivery", "delivery", queue="deliveries"),
    )
    for _ in tasks:
        task = await calls.until(lambda: poll_task(calls.connection), lambda found: found is not None)
        assert task is not None
        if task.task_execution_id == tasks[0]:
            await complete_task(calls.connection, tasks[0], {"reserved": True})
        elif task.task_execution_id == tasks[1]:
            await fail_task(calls.connection, tasks[1], "card reader is busy")
    await calls.step(operation("note"))
    await signal(calls.connection, order, "customer-called", b'{"mood": "good"}')
    await calls.step(operation("note-the-call"))
    child = await calls.claim("deliveries")
    await calls.events(child.id)
    await calls.submit(child.id, complete(b'"at the door"'), status=COMPLETED)
    await calls.step(operation("delivered"))
    return order


async def _task(calls: Calls) -> str:
    await submit_task(calls.connection, "send-newsletter", {"to": "all"}, queue="letters")
    task = await submit_task(calls.connection, "resize-picture", {"width": 640}, queue="pictures", max_retries=0)
    await calls.until(lambda: poll_task(calls.connection, "pictures"), lambda found: found is not None)
    await fail_task(calls.connection, task, "the picture is no PNG")
    return task


def _schedules(served: Served) -> None:
    for name, kind, cron in (("nightly-report", "report", "0 3 * * *"), ("hourly-sync", "sync", "0 * * * *")):
        _send(served, "POST", f"{BASE}/schedules", schedule(name, kind, cron))
    found = _send(served, "GET", f"{BASE}/schedules", None)["schedules"]
    paused = next(each["id"] for each in found if each["name"] == "hourly-sync")
    _send(served, "POST", f"{BASE}/schedules/{paused}/pause", {})


async def _agent(served: Served, connection: Connection) -> str:
    agents = Agents(cast("Client", connection))
    body = {"kind": "support", "input": {"ticket": 7}, "queue": "agents"}
    agent = str(_send(served, "POST", f"{BASE}/agent-executions", body)["id"])
    await agents.claim("agents")
    await agents.append(agent, {"text": "My parcel has not come. Where is it?"})
    text = json.dumps("I look for it, and write to you when the carrier has answered. " * 5).encode()
    reply = agent_pb2.AppendEntryRequest(
        agent_execution_id=agent, entry_type="MESSAGE", role="assistant", content=text, idempotency_key="reply"
    )
    await agents.call("AppendEntry", reply)
    await agents.schedule(agent, "look", {"parcel": 7}, kind="find-parcel")
    await agents.checkpoint(agent, {"step": "asked the carrier", "parcel": 7})
    await agents.suspend(agent, wait_for_signal="carrier-answered")
    return agent
