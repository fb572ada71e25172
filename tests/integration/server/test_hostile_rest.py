"""REST: texts that cannot be stored, and moments at the ends of the calendar, are refused and leave nothing behind."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from falcon import testing

from tests.support.calls import rows, status_of, submit
from tests.support.driving import RUNNING, Calls, create_promise, operation
from tests.support.running import WORKER_KEY, Client, running_server

BASE = "/api/v1/tenants/test"
HALF = "\ud800"
"""Half of a character: JSON can spell it; UTF-8, and so the database and every answer, cannot."""

TARGET = {"type": "workflow", "workflowKind": "k"}
YEARLY = {"type": "recurring", "cron": "0 0 1 1 *"}


def _schedule(**fields: Any) -> dict[str, Any]:
    return {"name": "s", "scheduleType": YEARLY, "target": TARGET, **fields}


def _once(moment: str) -> dict[str, Any]:
    return _schedule(scheduleType={"type": "once", "runAt": moment})


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    async with running_server(database) as client:
        yield client


async def _rest(client: Client, method: str, path: str, body: object = None, **more: Any) -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {WORKER_KEY}"}
    data = None if body is None else json.dumps(body)  # in ASCII, halves of characters as escapes
    async with testing.ASGIConductor(client.app) as conductor:
        answer: testing.Result = await conductor.simulate_request(
            method, BASE + path, headers=headers, body=data, **more
        )
    return answer.status_code, answer.json


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("/workflow-executions", {"kind": HALF}, "kind"),
        ("/workflow-executions", {"kind": "k", "input": {"a": [{"b": HALF}]}}, "input.a.b"),
        ("/workflow-executions", {"kind": "k", "metadata": {HALF: "a"}}, "a name in the body.metadata"),
        ("/workflow-executions", {"kind": "k", "idempotencyKey": HALF}, "idempotencyKey"),
        ("/workflow-executions/RUN/cancel", {"reason": HALF}, "reason"),
        ("/workflow-executions/RUN/signal", {"signal_name": "s", "signal_value": HALF}, "signal_value"),
        ("/task-executions", {"kind": "k", "queue": HALF}, "queue"),
        ("/promises/PROMISE/reject", {"error": HALF}, "error"),
        ("/schedules", _schedule(description=HALF), "description"),
        ("/schedules", _schedule(scheduleType={**YEARLY, "cron": "9" * 5000 + " * * * *"}), "cron"),
        ("/schedules", _schedule(scheduleType={**YEARLY, "timezone": "../../etc/passwd"}), "timezone"),
        ("/schedules", _once("0001-01-01T00:00:00+14:00"), "runAt"),
        ("/schedules", _once("9999-12-31T23:59:59-12:00"), "runAt"),
        ("/schedules", _schedule(scheduleType={**YEARLY, "endAt": "9999-12-31T23:59:59Z"}), "endAt"),
        ("/task-executions", {"kind": "k", "scheduledAt": "0001-01-01T00:00:00Z"}, "scheduledAt"),
    ],
)
async def test_a_text_that_cannot_be_stored_is_refused_by_field(
    client: Client, path: str, body: object, named: str
) -> None:
    """400 with the field's name; nothing new is there, and the lists can still be shown."""
    calls = Calls(client)
    await calls.start()
    workflow_id = await calls.step(create_promise("p"), status=RUNNING)
    promise_id = (await calls.events(workflow_id))[1][2]["promiseId"]
    before = await _counts(client)
    status, answer = await _rest(client, "POST", path.replace("RUN", workflow_id).replace("PROMISE", promise_id), body)
    assert (status, answer["code"], named in answer["error"]) == (400, "invalid_input", True), answer
    assert await _counts(client) == before
    for each in ("workflow-executions", "task-executions", "schedules"):
        assert (await _rest(client, "GET", f"/{each}"))[0] == 200


async def _counts(client: Client) -> list[tuple[Any, ...]]:
    tables = ("workflow_execution", "workflow_event", "task_execution", "schedule", "idempotency_key", "promise")
    return await rows(client, "SELECT " + ", ".join(f"(SELECT count(*) FROM {table})" for table in tables))


async def test_halves_of_characters_do_not_come_in_with_payloads(client: Client) -> None:
    """Over gRPC neither; both halves together, and a text that only looks like one, are fine."""
    await Calls(client).start()
    workflow_id = (await Calls(client).claim()).id
    refused = submit(client, workflow_id, operation("op", b'{"a": "\\ud83d"}'), status=RUNNING)
    code, text = await status_of(refused)
    assert (code.name, text) == (
        "INVALID_ARGUMENT",
        "result.a holds half of a character (a lone surrogate), which UTF-8 cannot hold",
    )
    fine = b'{"a": "\\ud83d\\ude00", "b": "\\\\ud83d"}'
    await submit(client, workflow_id, operation("op", fine), status=RUNNING)
    assert (await Calls(client).events(workflow_id))[1][2]["result"] == {"a": "\U0001f600", "b": "\\ud83d"}


@pytest.mark.parametrize("path", ["/workflow-definitions/%00", "/task-definitions/%00", "/workers/%00"])
async def test_a_name_with_a_nul_character_is_not_there(client: Client, path: str) -> None:
    """404: no name can hold it."""
    assert (await _rest(client, "GET", path))[0] == 404
    assert (await _rest(client, "POST", "/promises/key:%00/resolve", {}))[0] == 404


@pytest.mark.parametrize("wanted", ['{"a": "\\u0000"}', '{"\\u0000": "a"}', '{"a": "\\ud800"}', '{"a": 1e999}', "[]"])
async def test_filters_for_what_no_metadata_can_hold_are_refused(client: Client, wanted: str) -> None:
    """400, naming the parameter; a text that only looks like a NUL character is looked for."""
    status, answer = await _rest(client, "GET", "/workflow-executions", params={"metadata": wanted})
    assert (status, "metadata" in answer["error"]) == (400, True)
    looks_so = {"metadata": '{"a": "\\\\u0000"}'}
    assert (await _rest(client, "GET", "/workflow-executions", params=looks_so))[0] == 200


@pytest.mark.parametrize("query", [{"kind": "\x00"}, {"queue": "\x00"}, {"kind": ""}])
async def test_filters_for_impossible_names_are_refused(client: Client, query: dict[str, str]) -> None:
    """400, of workflows and of tasks."""
    for place in ("/workflow-executions", "/task-executions"):
        assert (await _rest(client, "GET", place, params=query))[0] == 400
