"""Changes of many workflows over REST: by a filter, a batch at a time, each batch wholly or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from plugins.audit_log.plugin import AuditLogPlugin
from tests.support.administrators import ADMIN_KEY, ADMINISTERED, MEMBER_KEY, OTHER_ADMIN_KEY, ask
from tests.support.calls import fail_task, poll_task
from tests.support.driving import COMPLETED, FAILED, SUSPENDED, Calls, complete, fail, schedule_child, schedule_task
from tests.support.running import OTHER_TENANT, bearer, running_server

ORDERS = {"kind": "order"}


@pytest_asyncio.fixture
async def calls(database: str) -> AsyncIterator[Calls]:
    """A running server."""
    async with running_server(database, [AuditLogPlugin], ADMINISTERED, PLUGINS__AUDIT_LOG__MODE="required") as client:
        yield Calls(client)


async def _bulk(calls: Calls, action: str, body: object, code: int = 200, **more: Any) -> Any:
    status, answer = await ask(calls.client, "POST", f"/workflow-executions/bulk/{action}", body, **more)
    assert status == code, answer
    return answer


async def _statuses(calls: Calls) -> dict[str, int]:
    async with calls.client.pool.connection() as connection:
        cursor = await connection.execute("SELECT status, count(*) FROM workflow_execution GROUP BY status")
        return dict(await cursor.fetchall())


async def _orders(calls: Calls, number: int) -> list[str]:
    return [await calls.start(workflow_kind="order", queue="orders") for _ in range(number)]


async def test_a_dry_run_counts_and_shows_and_changes_nothing(calls: Calls) -> None:
    """It shows the newest workflows to which the change applies."""
    orders = await _orders(calls, 12)
    await calls.step(complete(), queue="orders", status=COMPLETED)
    await calls.start(workflow_kind="report")
    answer = await _bulk(calls, "cancel", {"filter": ORDERS, "dryRun": True})
    assert (answer["matched"], answer["matchedIsExact"], answer["changed"]) == (11, True, 0)
    assert [each["id"] for each in answer["first"]] == orders[:1:-1]
    assert await _statuses(calls) == {"PENDING": 12, "COMPLETED": 1}


async def test_batches_follow_one_another_until_all_are_changed(calls: Calls) -> None:
    """Those that were started meanwhile are left alone, and so are other kinds and other tenants."""
    await _orders(calls, 5)
    await calls.start(workflow_kind="report")
    first = await _bulk(calls, "cancel", {"filter": ORDERS, "limit": 2, "reason": "ordered twice"})
    assert (first["changed"], first["skipped"], first["summary"]) == (2, 0, "cancel: 2 of 2")
    later = await calls.start(workflow_kind="order", queue="orders")
    changed, cursor = 2, first["nextCursor"]
    while cursor:
        batch = await _bulk(calls, "cancel", {"filter": ORDERS, "limit": 2, "cursor": cursor})
        changed, cursor = changed + batch["changed"], batch["nextCursor"]
    assert changed == 5
    assert await _statuses(calls) == {"PENDING": 2, "CANCELLED": 5}
    assert await calls.status(later) == "PENDING"


async def test_nothing_of_another_tenant_is_changed(calls: Calls) -> None:
    """Whatever the filter says."""
    [order] = await _orders(calls, 1)
    answer = await _bulk(calls, "terminate", {"filter": ORDERS}, key=OTHER_ADMIN_KEY)
    assert (answer["changed"], answer["nextCursor"]) == (0, None)
    assert await calls.status(order) == "PENDING"


async def test_a_cursor_belongs_to_its_filter_and_its_action(calls: Calls) -> None:
    """Another one is refused: nothing is changed by mistake."""
    await _orders(calls, 3)
    cursor = (await _bulk(calls, "cancel", {"filter": ORDERS, "limit": 1}))["nextCursor"]
    await _bulk(calls, "cancel", {"filter": {"kind": "report"}, "cursor": cursor}, 400)
    await _bulk(calls, "terminate", {"filter": ORDERS, "cursor": cursor}, 400)
    assert (await _statuses(calls))["PENDING"] == 2


async def test_a_filter_has_a_condition_and_statuses_that_allow_the_change(calls: Calls) -> None:
    """The answer says what to send."""
    await _orders(calls, 1)
    assert "at least one condition" in (await _bulk(calls, "cancel", {"filter": {}}, 400))["error"]
    refused = await _bulk(calls, "delete", {"filter": {"status": ["PENDING"]}}, 400)
    assert "COMPLETED, FAILED, CANCELLED" in refused["error"]
    await _bulk(calls, "cancel", {"filter": {"kind": "order", "colour": "red"}}, 400)
    await _bulk(calls, "cancel", {"filter": ORDERS, "limit": 501}, 400)
    assert await _statuses(calls) == {"PENDING": 1}


async def test_workflows_are_cancelled_with_their_children_or_without(calls: Calls) -> None:
    """One that a worker has is CANCELLING; a termination does not wait for the worker."""
    child = str(uuid4())
    await _orders(calls, 2)
    await calls.step(schedule_child(child, queue="c"), queue="orders", status=SUSPENDED)
    held = await calls.claim("orders")
    assert (await _bulk(calls, "cancel", {"filter": ORDERS}))["changed"] == 2
    assert (await calls.status(held.id), await calls.status(child)) == ("CANCELLING", "CANCELLED")
    assert (await _bulk(calls, "terminate", {"filter": ORDERS}))["changed"] == 1
    assert await calls.status(held.id) == "CANCELLED"


async def test_open_workflows_are_signalled(calls: Calls) -> None:
    """Each gets the signal once, with the value as it was sent."""
    orders = await _orders(calls, 2)
    await calls.step(complete(), queue="orders", status=COMPLETED)
    body = {"filter": ORDERS, "signalName": "address", "signalValue": {"n": 1.50}}
    assert (await _bulk(calls, "signal", body))["changed"] == 1
    assert await calls.types(orders[0]) == ["WORKFLOW_STARTED", "WORKFLOW_COMPLETED"]
    assert (await calls.events(orders[1]))[-1][1:] == (
        "SIGNAL_RECEIVED",
        {"signalName": "address", "signalValue": {"n": 1.5}},
    )


async def test_failed_workflows_are_retried_with_their_tasks(calls: Calls) -> None:
    """By one statement for all of them; each keeps its note, and a completed one stays."""
    orders = await _orders(calls, 3)
    tasks = [str(uuid4()) for _ in orders[:2]]
    for task in tasks:
        await calls.step(schedule_task(task, queue="t", max_retries=0), queue="orders", status=SUSPENDED)
    for _ in tasks:
        claimed = await poll_task(calls.client, "t")
        assert claimed is not None
        await fail_task(calls.client, claimed.task_execution_id, "card refused")
    for _ in orders:
        failed = (held := await calls.activation("orders")) in orders[:2]
        await calls.submit(held, fail() if failed else complete(), status=FAILED if failed else COMPLETED)
    assert await _statuses(calls) == {"FAILED": 2, "COMPLETED": 1}
    assert (await _bulk(calls, "retry", {"filter": ORDERS, "note": "again"}))["changed"] == 2
    assert [await calls.status(each) for each in orders[:2]] == ["PENDING", "PENDING"]
    found = await calls.row("SELECT count(*), min(status), max(status) FROM task_execution")
    assert found == (2, "PENDING", "PENDING")
    [event] = (await ask(calls.client, "GET", f"/workflow-executions/{orders[0]}/audit-events"))[1]["events"]
    assert event["data"] == {"attempt": 1, "note": "again", "requestedBy": "ada"}


async def test_ended_workflows_are_deleted_by_administrators(calls: Calls) -> None:
    """Those of the statuses that the filter names; a member may cancel many, but not delete them."""
    await _orders(calls, 3)
    await calls.step(complete(), queue="orders", status=COMPLETED)
    await calls.step(fail(), queue="orders", status=FAILED)
    await _bulk(calls, "delete", {"filter": ORDERS}, 403, key=MEMBER_KEY)
    assert (await _bulk(calls, "delete", {"filter": {"status": ["FAILED"]}}))["changed"] == 1
    assert await _statuses(calls) == {"PENDING": 1, "COMPLETED": 1}
    assert (await _bulk(calls, "delete", {"filter": ORDERS}))["changed"] == 1
    assert (await _bulk(calls, "cancel", {"filter": ORDERS}, key=MEMBER_KEY))["changed"] == 1
    assert await calls.row("SELECT count(*) FROM workflow_event WHERE event_type = 'WORKFLOW_COMPLETED'") == (0,)


@pytest.mark.parametrize("action", ["cancel", "terminate", "signal", "delete"])
async def test_a_batch_with_a_key_is_done_once(calls: Calls, action: str) -> None:
    """Sent again, it is answered the same, and does not go on to the next batch."""
    await _orders(calls, 4)
    body: dict[str, Any] = {"filter": ORDERS, "limit": 2}
    body |= {"signalName": "s"} if action == "signal" else {}
    if action == "delete":
        await _bulk(calls, "cancel", {"filter": ORDERS})
    headers = [*bearer(ADMIN_KEY), ("idempotency-key", "k1")]
    first = await _bulk(calls, action, body, headers=headers)
    before = await _statuses(calls), await calls.row("SELECT count(*) FROM workflow_event")
    assert first["changed"] == 2
    assert await _bulk(calls, action, body, headers=headers) == first
    assert (await _statuses(calls), await calls.row("SELECT count(*) FROM workflow_event")) == before


async def test_the_audit_log_tells_how_many_were_changed(calls: Calls) -> None:
    """One record for a batch, with the action and the numbers."""
    await _orders(calls, 3)
    await _bulk(calls, "cancel", {"filter": ORDERS})
    found = await calls.row(
        "SELECT operation, resource_id, code FROM p_audit_log__events WHERE kind = 'outcome' AND tenant_id <> %s"
        " AND operation LIKE %s",
        OTHER_TENANT,
        "%/bulk/%",
    )
    assert found == ("POST /api/v1/tenants/{slug}/workflow-executions/bulk/cancel", "cancel: 3 of 3", "ok")
