"""Lists over REST: their cursors, totals and conditions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio

from server.storage import workflow_views
from tests.support.driving import COMPLETED, FAILED, RUNNING, Calls, complete, fail, schedule_child
from tests.support.running import OPERATOR_KEY, OTHER_KEY, TENANT, WORKER_KEY, running_server

BASE = "/api/v1/tenants/test"
WORKFLOWS = f"{BASE}/workflow-executions"


@pytest_asyncio.fixture
async def calls(database: str) -> AsyncIterator[Calls]:
    """A running server."""
    async with running_server(database) as client:
        yield Calls(client)


async def _get(calls: Calls, path: str, code: int = 200, key: str = WORKER_KEY, **query: Any) -> Any:
    answer = await calls.client.rest("GET", path, key=key, params=query)
    assert answer.status_code == code, answer.text
    return answer.json


async def _ids(calls: Calls, **query: Any) -> list[str]:
    return [each["id"] for each in (await _get(calls, WORKFLOWS, **query))["workflows"]]


async def _create(calls: Calls, path: str, body: object, key: str = WORKER_KEY) -> None:
    assert (await calls.client.rest("POST", path, body, key=key)).status_code == 201


async def _make(calls: Calls, name: str) -> tuple[str, str]:
    """Make three items of a list; return its path and the member that holds them."""
    for number in range(3):
        match name:
            case "workflows":
                await calls.start()
            case "tasks":
                await _create(calls, f"{BASE}/task-executions", {"kind": "k"})
            case "agentExecutions":
                await _create(calls, f"{BASE}/agent-executions", {"kind": "k", "queue": "q", "input": {}})
            case "schedules":
                timing = {"type": "recurring", "cron": "0 0 1 1 *"}
                rule = {"name": "s", "scheduleType": timing, "target": {"type": "workflow", "workflowKind": "k"}}
                await _create(calls, f"{BASE}/schedules", rule)
            case _:
                await _create(calls, "/api/v1/tenants", {"name": "n", "slug": f"made-{number}"}, OPERATOR_KEY)
    path = {"workflows": "workflow", "tasks": "task", "agentExecutions": "agent"}.get(name)
    return (
        f"{BASE}/{path}-executions" if path else f"{BASE}/schedules" if name == "schedules" else "/api/v1/tenants"
    ), name


LISTS = ["workflows", "tasks", "agentExecutions", "schedules", "tenants"]


@pytest.mark.parametrize("name", LISTS)
async def test_pages_follow_one_another(calls: Calls, name: str) -> None:
    """Every item once, in the order of the whole list; the last page has no cursor; the total is the same."""
    path, member = await _make(calls, name)
    key = OPERATOR_KEY if name == "tenants" else WORKER_KEY
    whole = await _get(calls, path, key=key)
    assert (whole["nextCursor"], whole["totalIsExact"], whole["total"]) == (None, True, len(whole[member]))
    seen: list[Any] = []
    cursor: dict[str, Any] = {}
    while True:
        page = await _get(calls, path, key=key, limit=1, **cursor)
        assert page["total"] == whole["total"]
        seen += page[member]
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert seen == whole[member]


async def test_rows_that_come_in_between_move_no_page(calls: Calls) -> None:
    """A page behind a cursor goes on where the page before ended, unlike one at an offset."""
    first = [await calls.start() for _ in range(4)]
    page = await _get(calls, WORKFLOWS, limit=2)
    await calls.start()
    assert await _ids(calls, limit=2, cursor=page["nextCursor"]) == [first[1], first[0]]
    assert await _ids(calls, limit=2, offset=2) == [first[2], first[1]]


async def test_cursors_are_bound(calls: Calls) -> None:
    """400 with the reason: for another condition, another list, another tenant, and for a forged one."""
    for _ in range(2):
        await calls.start()
        await _create(calls, f"{BASE}/task-executions", {"kind": "k"})
    cursor = (await _get(calls, WORKFLOWS, limit=1))["nextCursor"]
    foreign = [(WORKFLOWS, WORKER_KEY, {"kind": "k"}), (f"{BASE}/task-executions", WORKER_KEY, {})]
    foreign.append(("/api/v1/tenants/other/workflow-executions", OTHER_KEY, {}))
    for path, key, more in foreign:
        answer = await _get(calls, path, 400, key, cursor=cursor, **more)
        assert "belongs to another list, tenant or condition" in answer["error"]
    for forged in ("x", cursor[:-1], cursor + "A", "A" + cursor[1:], "%00", "a" * 3000):
        assert "cursor" in (await _get(calls, WORKFLOWS, 400, cursor=forged))["error"]
    assert "exclude each other" in (await _get(calls, WORKFLOWS, 400, cursor=cursor, offset=1))["error"]


async def test_another_process_knows_the_cursor(calls: Calls, database: str) -> None:
    """All processes of a deployment sign with one key."""
    first = [await calls.start() for _ in range(2)]
    cursor = (await _get(calls, WORKFLOWS, limit=1))["nextCursor"]
    async with running_server(database) as other:
        assert await _ids(Calls(other), cursor=cursor) == [first[0]]


async def test_offsets_are_bounded(calls: Calls) -> None:
    """Beyond the limit only cursors go on."""
    await _get(calls, WORKFLOWS, offset=100_000)
    assert "offset" in (await _get(calls, WORKFLOWS, 400, offset=100_001))["error"]


async def test_totals_are_exact_up_to_ten_thousand(calls: Calls, database: str) -> None:
    """Beyond, the total is a lower bound, which grows with the offset; an exact one is counted when asked for."""
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO task_execution (tenant_id, id, kind, queue, status, metadata, input, max_retries, claim_at,"
            " created_at, updated_at) SELECT %s, gen_random_uuid(), 'k', 'q', 'COMPLETED', '{}', '1', 0, now(), now(), now()"
            " FROM generate_series(1, 10020)",
            [TENANT],
        )
    path = f"{BASE}/task-executions"
    for query, expected in (
        ({}, (10_000, False)),
        ({"offset": 10_005, "limit": 5}, (10_011, False)),
        ({"offset": 10_010, "limit": 50}, (10_020, True)),
        ({"count": "exact"}, (10_020, True)),
        ({"count": "none", "limit": 1}, (2, False)),
    ):
        page = await _get(calls, path, **query)
        assert (page["total"], page["totalIsExact"]) == expected, query


async def test_workflows_are_counted_by_status(calls: Calls) -> None:
    """In one call, with the conditions of the list; each total has the bound of a list's."""
    for number in range(3):
        await calls.start(workflow_kind="order" if number else "report")
    await calls.step(complete(), status=COMPLETED)
    counts = f"{WORKFLOWS}/counts"
    exact = {"PENDING": 2, "RUNNING": 0, "WAITING": 0, "CANCELLING": 0, "COMPLETED": 1, "FAILED": 0, "CANCELLED": 0}
    found = (await _get(calls, counts))["counts"]
    assert {each["status"]: each["total"] for each in found} == exact
    assert all(each["totalIsExact"] for each in found)
    found = (await _get(calls, counts, kind="order", status="PENDING,FAILED"))["counts"]
    assert [(each["status"], each["total"]) for each in found] == [("PENDING", 2), ("FAILED", 0)]
    await _get(calls, counts, code=400, limit=1)
    await _many(calls)
    [found] = (await _get(calls, counts, status="WAITING"))["counts"]
    assert (found["total"], found["totalIsExact"]) == (10_000, False)


async def _many(calls: Calls) -> None:
    """Insert more waiting workflows than totals count."""
    async with calls.client.pool.connection() as connection:
        await connection.execute(
            "INSERT INTO workflow_execution (tenant_id, id, kind, queue, status, priority_ms, metadata, input,"
            " last_sequence, created_at, claim_at, updated_at)"
            " SELECT %s, gen_random_uuid(), 'k', 'q', 'WAITING', 0, '{}', '1', 1, now(), now(), now()"
            " FROM generate_series(1, 10001)",
            (TENANT,),
        )


async def test_a_search_that_takes_too_long_is_ended(
    calls: Calls, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """400 with the conditions that narrow it."""
    monkeypatch.setattr("server.storage.lists.LIST_DEADLINE_S", 0.2)
    with psycopg.connect(database) as lock:
        lock.execute("LOCK TABLE workflow_execution")
        answer = await _get(calls, WORKFLOWS, 400)
    assert answer["code"] == "too_broad"
    assert "narrow it by createdFrom" in answer["error"]


async def test_a_count_that_takes_too_long_is_ended(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exact one with 400 and the remedy; a bounded one leaves the total that the page shows."""
    for _ in range(3):
        await calls.start()
    for name in ("COUNT_DEADLINE_S", "EXACT_DEADLINE_S"):
        monkeypatch.setattr(f"server.storage.lists.{name}", 0.1)
    slow = "LIMIT %(most)s\n) AS counted, pg_sleep(20)"
    monkeypatch.setitem(cast("dict[str, str]", workflow_views._SQL), "count_to", slow)
    page = await _get(calls, WORKFLOWS, limit=1)
    assert (page["total"], page["totalIsExact"]) == (2, False)
    answer = await _get(calls, WORKFLOWS, 400, limit=1, count="exact")
    assert answer["code"] == "too_broad"
    assert "leave count=exact out" in answer["error"]


async def test_statuses_are_alternatives(calls: Calls) -> None:
    """Several in one parameter or in several of them, the newest first."""
    failed, done = await calls.start(queue="f"), await calls.start(queue="c")
    await calls.step(fail("no"), queue="f", status=FAILED)
    await calls.step(complete(), queue="c", status=COMPLETED)
    pending = await calls.start(queue="p")
    assert await _ids(calls, status="FAILED") == [failed]
    assert await _ids(calls, status="FAILED,PENDING") == [pending, failed]
    assert await _ids(calls, status=["FAILED", "COMPLETED"]) == [done, failed]
    assert await _ids(calls, status="FAILED,PENDING", limit=1, offset=1) == [failed]
    first = await _get(calls, WORKFLOWS, status="FAILED,PENDING", limit=1)
    assert await _ids(calls, status="FAILED,PENDING", cursor=first["nextCursor"]) == [failed]
    assert "status" in (await _get(calls, WORKFLOWS, 400, status="FAILED,NONE"))["error"]


async def test_times_bound_a_list(calls: Calls) -> None:
    """The beginning of a range is inside of it, the end is not."""
    old, new = await calls.start(), await calls.start()
    bodies = {each["id"]: each for each in (await _get(calls, WORKFLOWS))["workflows"]}
    border = bodies[new]["createdAt"]
    assert await _ids(calls, createdFrom=border) == [new]
    assert await _ids(calls, createdTo=border) == [old]
    await calls.step(complete(), status=COMPLETED)
    ended = (await _get(calls, f"{WORKFLOWS}/{old}"))["completedAt"]
    assert await _ids(calls, endedFrom=ended) == [old]
    assert await _ids(calls, endedTo=ended) == []
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert await _ids(calls, endedTo=later) == [old]
    assert "createdFrom" in (await _get(calls, WORKFLOWS, 400, createdFrom="2026-01-01"))["error"]


async def test_ids_are_found_by_their_beginnings(calls: Calls) -> None:
    """With and without hyphens, in either case, whole ids too."""
    workflow_id = await calls.start()
    other = next(each for each in "0123456789abcdef" if each != workflow_id[0])
    for prefix in (workflow_id, workflow_id[:1], workflow_id[:11].upper(), workflow_id.replace("-", "")[:20]):
        assert await _ids(calls, idPrefix=prefix) == [workflow_id]
    assert await _ids(calls, idPrefix=other) == []
    for prefix in ("g", "a" * 33, "%", "a b"):
        assert "idPrefix" in (await _get(calls, WORKFLOWS, 400, idPrefix=prefix))["error"]


async def test_families_are_found_by_their_parents(calls: Calls) -> None:
    """``parentId`` finds children, ``rootId`` the workflow with all descendants."""
    root, child, grandchild = await calls.start(), str(uuid4()), str(uuid4())
    await calls.step(schedule_child(child), status=RUNNING)
    await calls.start()
    assert await _ids(calls, parentId=root) == [child]
    assert sorted(await _ids(calls, rootId=root)) == sorted([root, child])
    assert await _ids(calls, rootId=grandchild) == []


async def test_errors_metadata_and_workers_are_conditions(calls: Calls) -> None:
    """Words of the error, keys and values of metadata, the last worker; all that are set must hold."""
    failed = await calls.start(metadata={"team": "x", "n": "1"})
    await calls.step(fail("Connection to the bank refused"), status=FAILED)
    plain = await calls.start()
    for query in (
        {"error": "bank connection"},
        {"error": "REFUSED"},
        {"metadataKey": "team"},
        {"metadata": '{"team":"x","n":"1"}', "status": "FAILED", "error": "bank"},
    ):
        assert await _ids(calls, **query) == [failed], query
    for query in (
        {"error": "banks"},
        {"metadataKey": "x"},
        {"metadata": '{"team":"x"}', "error": "no"},
        {"error": "'&|!"},
    ):
        assert await _ids(calls, **query) == [], query
    worker = (await _get(calls, f"{WORKFLOWS}/{failed}"))["workerId"]
    assert await _ids(calls, workerId=worker) == [failed]
    assert await _ids(calls, workerId="absent") == []
    assert await _ids(calls) == [plain, failed]


async def test_workflows_whose_tasks_fail_are_found(calls: Calls, database: str) -> None:
    """Those with an open task whose last attempt failed."""
    failing, other = await calls.start(), await calls.start()
    with psycopg.connect(database) as connection:
        for workflow_id, error, status in (
            (failing, "no", "PENDING"),
            (other, None, "PENDING"),
            (other, "no", "FAILED"),
        ):
            connection.execute(
                "INSERT INTO task_execution (tenant_id, id, workflow_execution_id, kind, queue, status, error, metadata,"
                " input, max_retries, claim_at, created_at, updated_at)"
                " VALUES (%s, gen_random_uuid(), %s, 'k', 'q', %s, %s, '{}', '1', 3, now(), now(), now())",
                [TENANT, workflow_id, status, error],
            )
    assert await _ids(calls, failingTasks="true") == [failing]
    assert await _ids(calls, failingTasks="true", status="COMPLETED,FAILED") == []


@pytest.mark.parametrize("name", ["workflows", "tasks"])
async def test_a_summary_has_no_payloads(calls: Calls, name: str) -> None:
    """All members but the input and the output."""
    path, member = await _make(calls, name)
    full, summary = await _get(calls, path), await _get(calls, path, view="summary")
    expected = [{k: v for k, v in each.items() if k not in {"input", "output"}} for each in full[member]]
    assert summary[member] == expected
    assert "input" in full[member][0]


async def test_a_history_has_pages(calls: Calls) -> None:
    """In both orders, by type and by number; the cursor is bound to the workflow and the order."""
    workflow_id, other = await calls.start(), await calls.start()
    children = [schedule_child(str(uuid4())) for _ in range(5)]
    await calls.step(*children, complete(), status=COMPLETED)
    path = f"{WORKFLOWS}/{workflow_id}/events"
    whole = [each["sequence"] for each in (await _get(calls, path))["events"]]
    assert whole == list(range(1, len(whole) + 1))
    for newest_first in (False, True):
        seen: list[int] = []
        cursor: dict[str, Any] = {}
        while True:
            page = await _get(calls, path, limit=3, newestFirst=str(newest_first).lower(), **cursor)
            seen += [each["sequence"] for each in page["events"]]
            if page["nextCursor"] is None:
                break
            cursor = {"cursor": page["nextCursor"]}
        assert seen == (whole[::-1] if newest_first else whole)
    page = await _get(
        calls, path, type="CHILD_WORKFLOW_INITIATED,WORKFLOW_COMPLETED", sinceSequence=2, beforeSequence=7
    )
    assert [each["sequence"] for each in page["events"]] == [3, 4, 5, 6]
    for wrong in (path, f"{WORKFLOWS}/{other}/events"):
        answer = await _get(calls, wrong, 400, **cursor)
        assert "belongs to another list" in answer["error"]
    assert "type" in (await _get(calls, path, 400, type="NONE"))["error"]
