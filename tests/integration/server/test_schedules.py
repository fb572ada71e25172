"""Schedules: one run per due instant, however many servers look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.support.calls import poll_task
from tests.support.driving import Calls
from tests.support.repetitions import times
from tests.support.running import OTHER_KEY, WORKER_KEY, running_server

BASE = "/api/orgs/test/schedules"
PAST = "2020-01-01T00:00:00Z"


@pytest_asyncio.fixture
async def calls(database: str) -> AsyncIterator[Calls]:
    """A running server."""
    async with running_server(database) as client:
        yield Calls(client)


async def _rest(calls: Calls, method: str, path: str, body: object = None, **more: Any) -> tuple[int, Any]:
    answer = await calls.client.rest(method, BASE + path, body, **{"key": WORKER_KEY, **more})
    return answer.status_code, answer.json if answer.content else None


def _body(**fields: Any) -> dict[str, Any]:
    target = {"type": "workflow", "workflowKind": "k", "input": {"n": 1.0}}
    timing = {"type": "recurring", "cron": "0 9 * * *", "timezone": "Europe/Berlin"}
    return {"name": "daily", "scheduleType": timing, "target": target, **fields}


async def _create(calls: Calls, **fields: Any) -> str:
    status, schedule = await _rest(calls, "POST", "", _body(**fields))
    assert status == 201, schedule
    return str(schedule["id"])


async def _make_due(calls: Calls, ago: str = "1 second") -> None:
    """Let every schedule have been due some time ago."""
    async with calls.client.pool.connection() as connection:
        await connection.execute("UPDATE schedule SET next_run_at = now() - %s::interval", (ago,))


async def _runs(calls: Calls, schedule_id: str, count: int) -> list[tuple[str, str | None]]:
    """Wait until a schedule has dealt with so many instants; return status and error, oldest first."""
    _, page = await calls.until(
        lambda: _rest(calls, "GET", f"/{schedule_id}/runs"), lambda answer: len(answer[1]["runs"]) >= count
    )
    return [(run["status"], run["error"]) for run in reversed(page["runs"])]


async def test_a_schedule_is_kept_replaced_and_deleted(calls: Calls) -> None:
    """It shows when it is due next, by UTC and by its own zone's clocks."""
    schedule_id = await _create(calls)
    _, schedule = await _rest(calls, "GET", f"/{schedule_id}")
    for name, value in _body().items():
        shown = schedule[name]
        assert shown == value if isinstance(value, str) else value.items() <= shown.items()
    assert "T09:00:00+0" in schedule["nextRunAtLocal"]
    assert (schedule["runCount"], schedule["createdBy"], schedule["lastRunAt"]) == (0, "worker:test", None)
    assert (await _rest(calls, "GET", ""))[1]["schedules"] == [schedule]
    status, replaced = await _rest(calls, "PUT", f"/{schedule_id}", _body(name="other", enabled=False))
    assert (status, replaced["id"], replaced["name"], replaced["enabled"]) == (200, schedule_id, "other", False)
    assert (await _rest(calls, "POST", f"/{schedule_id}/resume"))[1]["enabled"]
    assert not (await _rest(calls, "POST", f"/{schedule_id}/pause"))[1]["enabled"]
    assert (await _rest(calls, "DELETE", f"/{schedule_id}"))[0] == 204
    assert (await _rest(calls, "GET", f"/{schedule_id}"))[0] == 404


async def test_a_due_schedule_starts_its_workflow(calls: Calls) -> None:
    """The run has the target's input; the schedule counts it and is due again later."""
    schedule_id = await _create(calls)
    await _make_due(calls)
    execution = await calls.claim()
    assert (execution.kind, execution.input) == ("k", b'{"n": 1.0}')
    assert await _runs(calls, schedule_id, 1) == [("STARTED", None)]
    _, schedule = await _rest(calls, "GET", f"/{schedule_id}")
    assert (schedule["runCount"], schedule["nextRunAt"] > schedule["lastRunAt"]) == (1, True)


async def test_a_schedule_of_one_moment_creates_its_task_once(calls: Calls) -> None:
    """Afterwards there is nothing more to come, also when it is paused and goes on."""
    target = {"type": "task", "taskKind": "t", "maxRetries": 1}
    timing = {"type": "once", "runAt": PAST}
    schedule_id = await _create(calls, scheduleType=timing, target=target, missedRunPolicy="execute_once")
    assert await _runs(calls, schedule_id, 1) == [("STARTED", None)]
    assert await poll_task(calls.client) is not None
    for verb in ("pause", "resume"):
        assert (await _rest(calls, "POST", f"/{schedule_id}/{verb}"))[1]["nextRunAt"] is None


async def test_missed_instants_are_skipped_or_made_up_for_once(calls: Calls) -> None:
    """As the schedule says."""
    skipping = await _create(calls, missedRunPolicy="skip")
    making_up = await _create(calls, missedRunPolicy="execute_once")
    await _make_due(calls, "3 days")
    ((status, error),) = await _runs(calls, skipping, 1)
    assert (status, "missed" in (error or "")) == ("SKIPPED", True)
    assert await _runs(calls, making_up, 1) == [("STARTED", None)]
    assert await calls.row("SELECT count(*) FROM workflow_execution") == (1,)


@pytest.mark.parametrize(
    ("policy", "second"), [("skip", "SKIPPED"), ("allow", "STARTED"), ("cancel_previous", "STARTED")]
)
async def test_open_work_is_treated_as_the_schedule_says(calls: Calls, policy: str, second: str) -> None:
    """Left alone, joined, or cancelled."""
    schedule_id = await _create(calls, overlapPolicy=policy)
    await _make_due(calls)
    await _runs(calls, schedule_id, 1)
    (first,) = await calls.row("SELECT id::text FROM workflow_execution")
    await _make_due(calls)
    assert [status for status, _ in await _runs(calls, schedule_id, 2)] == ["STARTED", second]
    expected = "CANCELLED" if policy == "cancel_previous" else "PENDING"
    await calls.until(lambda: calls.status(first), lambda status: status == expected)


async def test_two_servers_run_each_due_instant_once(database: str) -> None:
    """Many schedules become due under two runners: one run each."""
    count = times(40, 500)
    async with running_server(database) as one, running_server(database) as two:
        here, there = Calls(one), Calls(two)
        schedules = await asyncio.gather(*(_create(here, name=str(number)) for number in range(count)))
        await _make_due(there)
        for schedule_id in schedules:
            assert await _runs(here, schedule_id, 1) == [("STARTED", None)]
        assert await here.row("SELECT count(*) FROM workflow_execution") == (count,)


async def test_a_schedule_is_triggered_by_hand(calls: Calls) -> None:
    """Paused or not; when it is due next stays."""
    schedule_id = await _create(calls, enabled=False)
    _, before = await _rest(calls, "GET", f"/{schedule_id}")
    status, run = await _rest(calls, "POST", f"/{schedule_id}/trigger")
    assert (status, run["status"]) == (201, "STARTED")
    assert (await calls.claim()).id == run["workflowExecutionId"]
    _, after = await _rest(calls, "GET", f"/{schedule_id}")
    assert (after["nextRunAt"], after["runCount"]) == (before["nextRunAt"], 1)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": ""}, "name"),
        ({"scheduleType": {"type": "recurring", "cron": "x"}}, "cron"),
        ({"scheduleType": {"type": "recurring", "cron": "* * * * *", "timezone": "Mars"}}, "timezone"),
        ({"scheduleType": {"type": "once"}}, "runAt"),
        ({"scheduleType": {"type": "never"}}, "scheduleType"),
        ({"target": {"type": "workflow", "workflowKind": ""}}, "kind"),
        ({"target": {"type": "workflow", "workflowKind": "k", "queue": "q" * 101}}, "queue"),
        ({"target": {"type": "task", "taskKind": "t", "maxRetries": 11}}, "maxRetries"),
        ({"target": {"type": "workflow", "workflowKind": "k", "metadata": {"_flovyn_x": ""}}}, "metadata"),
        ({"overlapPolicy": "maybe"}, "overlapPolicy"),
    ],
)
async def test_malformed_schedules_are_refused_by_field(calls: Calls, fields: dict[str, Any], named: str) -> None:
    """400, with the field's name."""
    status, answer = await _rest(calls, "POST", "", _body(**fields))
    assert (status, named in answer["error"]) == (400, True)


async def test_schedules_of_others_are_not_there(calls: Calls) -> None:
    """404 in every way."""
    schedule_id = await _create(calls)
    for method, path, body in [
        ("GET", "", None),
        ("GET", "/runs", None),
        ("PUT", "", _body()),
        ("POST", "/pause", None),
        ("POST", "/trigger", None),
        ("DELETE", "", None),
    ]:
        answer = await calls.client.rest(method, f"/api/orgs/other/schedules/{schedule_id}{path}", body, key=OTHER_KEY)
        assert answer.status_code == 404
    assert (await _rest(calls, "GET", f"/{uuid4()}"))[0] == 404
