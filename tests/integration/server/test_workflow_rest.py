"""Workflows and promises over REST, as clients and people use them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
import pytest_asyncio

from proto.flovyn.v1 import workflow_pb2 as pb
from tests.support.driving import (
    COMPLETED,
    FAILED,
    RUNNING,
    Calls,
    cancel_child,
    complete,
    create_promise,
    fail,
    schedule_child,
)
from tests.support.running import OTHER_KEY, TENANT, WORKER_KEY, running_server

PLACES = ["/api/v1/tenants/test", "/api/tenants/test", "/api/orgs/test", f"/api/orgs/{TENANT}"]
BASE = "/api/orgs/test/workflow-executions"


@pytest_asyncio.fixture
async def calls(database: str) -> AsyncIterator[Calls]:
    """A running server."""
    async with running_server(database) as client:
        yield Calls(client)


async def _rest(calls: Calls, method: str, path: str, body: object = None, **more: Any) -> tuple[int, Any]:
    answer = await calls.client.rest(method, path, body, **{"key": WORKER_KEY, **more})
    return answer.status_code, answer.json


async def test_a_workflow_is_started_and_looked_at(calls: Calls) -> None:
    """The same workflow at every place; what a client sent comes back as it was."""
    body = {
        "kind": "k",
        "input": {"n": 1.0},
        "queue": "q",
        "prioritySeconds": 5,
        "version": "2",
        "metadata": {"team": "a"},
    }
    status, started = await _rest(calls, "POST", BASE, body)
    workflow_id = started["workflowExecutionId"]
    assert (status, started["status"], started["kind"]) == (201, "PENDING", "k")
    assert (started["idempotencyKeyUsed"], started["idempotencyKeyNew"]) == (False, True)
    shown = [await _rest(calls, "GET", f"{place}/workflow-executions/{workflow_id}") for place in PLACES]
    shown.append(await _rest(calls, "GET", started["links"]["self"]))
    assert all(each == shown[0] for each in shown)
    expected = {
        "id": workflow_id,
        "tenantId": str(TENANT),
        "input": {"n": 1.0},
        "output": None,
        "currentSequence": 1,
        "workflowVersion": "2",
        "metadata": {"team": "a"},
        "startedAt": None,
    }
    assert expected.items() <= shown[0][1].items()
    assert shown[0][1]["createdAt"].endswith("Z")


async def test_the_history_is_what_workers_see(calls: Calls) -> None:
    """Ascending, from any number on, with the data of the gRPC call and the names that older clients read."""
    workflow_id = await calls.start()
    await calls.step(complete(b'{"big": 123456789012345678901234567890}'), status=COMPLETED)
    _, answer = await _rest(calls, "GET", f"{BASE}/{workflow_id}/events")
    events = [(each["sequence"], each["eventType"], each["data"]) for each in answer["events"]]
    assert events == await calls.events(workflow_id)
    assert [each["sequenceNumber"] for each in answer["events"]] == [1, 2]
    assert all(each["timestamp"] == each["createdAt"] for each in answer["events"])
    _, later = await _rest(calls, "GET", f"{BASE}/{workflow_id}/events", params={"sinceSequence": 1})
    assert later["events"] == answer["events"][1:]
    assert await _rest(calls, "GET", f"{BASE}/{workflow_id}/events", params={"sinceSequence": 2}) == (
        200,
        {"events": [], "nextCursor": None},
    )


async def test_a_key_makes_a_start_repeatable(calls: Calls) -> None:
    """201, then 200 with the same workflow."""
    body = {"kind": "k", "idempotencyKey": "key", "idempotencyKeyTTL": "7d"}
    first, second = [await _rest(calls, "POST", BASE, body) for _ in range(2)]
    assert (first[0], second[0]) == (201, 200)
    assert second[1]["workflowExecutionId"] == first[1]["workflowExecutionId"]
    assert (second[1]["idempotencyKeyUsed"], second[1]["idempotencyKeyNew"]) == (True, False)


async def test_lists_show_the_newest_first_and_filter(calls: Calls) -> None:
    """By status, kind, queue and metadata; pages are counted."""
    first = await calls.start(queue="a", metadata={"team": "x", "n": "1"})
    second = await calls.start(queue="b", workflow_kind="other")
    await calls.step(complete(), queue="a", status=COMPLETED)

    async def ids(**query: Any) -> list[str]:
        _, answer = await _rest(calls, "GET", BASE, params=query)
        assert answer["total"] == len(answer["workflows"])
        return [each["id"] for each in answer["workflows"]]

    assert await ids() == [second, first]
    assert await ids(status="COMPLETED") == await ids(queue="a") == await ids(metadata='{"team":"x"}') == [first]
    assert await ids(kind="other") == [second]
    assert await ids(metadata='{"team":"y"}') == []
    _, page = await _rest(calls, "GET", BASE, params={"limit": 1, "offset": 1})
    assert ([each["id"] for each in page["workflows"]], page["total"], page["limit"]) == ([first], 2, 1)


async def test_a_workflow_is_cancelled_with_its_children(calls: Calls) -> None:
    """With the reason and who asked; a second request is answered the same."""
    parent, child = await calls.start(), str(uuid4())
    await calls.step(schedule_child(child))
    _, children = await _rest(calls, "GET", f"{BASE}/{parent}/children")
    assert [(each["childWorkflowExecutionId"], each["status"]) for each in children["children"]] == [(child, "PENDING")]
    _, answer = await _rest(calls, "POST", f"{BASE}/{parent}/cancel", {"reason": "enough"})
    assert answer == {"workflowExecutionId": parent, "status": "CANCELLED", "cancelledChildren": [child]}
    data = (await calls.events(parent))[-3][2]
    assert data == {"reason": "enough", "requestedBy": "worker:test"}
    assert (await _rest(calls, "POST", f"{BASE}/{parent}/cancel", {"reason": "enough"}))[1] == answer
    assert (await _rest(calls, "POST", f"{BASE}/{parent}/cancel", {"cascadeToChildren": False}))[1] == {
        **answer,
        "cancelledChildren": [],
    }
    assert (await _rest(calls, "GET", f"{BASE}/{child}"))[1]["parentWorkflowExecutionId"] == parent


async def test_a_workflow_is_terminated_while_a_worker_has_it(calls: Calls) -> None:
    """With the reason and who asked; one that ended before stays as it is, and one of another tenant is not found."""
    workflow_id = await calls.start()
    await calls.claim()
    path = f"{BASE}/{workflow_id}/terminate"
    assert (await _rest(calls, "POST", path, {"reason": "it hangs"}, key=OTHER_KEY))[0] == 404
    answer = {"workflowExecutionId": workflow_id, "status": "CANCELLED", "cancelledChildren": []}
    for _ in range(2):
        assert await _rest(calls, "POST", path, {"reason": "it hangs"}) == (200, answer)
    assert (await calls.events(workflow_id))[1][2] == {"reason": "it hangs", "requestedBy": "worker:test"}
    done = await calls.start()
    await calls.step(complete(), status=COMPLETED)
    assert (await _rest(calls, "POST", f"{BASE}/{done}/terminate"))[1]["status"] == "ALREADY_TERMINAL"


@pytest.mark.parametrize("verb", ["cancel", "retry", "terminate"])
async def test_a_body_that_would_say_nothing_may_be_left_out(calls: Calls, verb: str) -> None:
    """Nothing in it is required; a start's body is."""
    workflow_id = await calls.start()
    if verb == "retry":
        await calls.step(fail(), status=FAILED)
    status, answer = await _rest(calls, "POST", f"{BASE}/{workflow_id}/{verb}")
    assert (status, answer["workflowExecutionId"]) == (200, workflow_id)
    assert (await _rest(calls, "POST", BASE))[0] == 400


async def test_a_failed_workflow_is_retried(calls: Calls) -> None:
    """400 for another; the superseded end is still shown here."""
    workflow_id = await calls.start()
    assert (await _rest(calls, "POST", f"{BASE}/{workflow_id}/retry", {}))[0] == 400
    await calls.step(fail(), status=FAILED)
    status, answer = await _rest(calls, "POST", f"{BASE}/{workflow_id}/retry", {"note": "again"})
    assert (status, answer["status"], answer["retryAttempt"], answer["success"]) == (200, "PENDING", 1, True)
    _, history = await _rest(calls, "GET", f"{BASE}/{workflow_id}/events")
    assert [(each["eventType"], each["superseded"]) for each in history["events"]] == [
        ("WORKFLOW_STARTED", False),
        ("WORKFLOW_EXECUTION_FAILED", True),
    ]


async def test_requests_about_a_workflow_are_kept_beside_its_history(calls: Calls) -> None:
    """A retry with its note, a child to cancel: for people alone, because workers misread what they do not know."""
    workflow_id, child = await calls.start(), str(uuid4())
    await calls.step(schedule_child(child), cancel_child(child, "c1", "late"), fail(), status=FAILED)
    await _rest(calls, "POST", f"{BASE}/{workflow_id}/retry", {"note": "again"})
    _, found = await _rest(calls, "GET", f"{BASE}/{workflow_id}/audit-events")
    cancel = {"childExecutionName": "c1", "childExecutionId": child, "reason": "late"}
    retry = {"attempt": 1, "note": "again", "requestedBy": "worker:test"}
    assert [(each["eventType"], each["data"]) for each in found["events"]] == [
        ("CHILD_WORKFLOW_CANCELLATION_REQUESTED", cancel),
        ("RETRY_REQUESTED", retry),
    ]
    assert not {each["eventType"] for each in found["events"]} & {
        kind for _, kind, _ in await calls.events(workflow_id)
    }
    assert (await _rest(calls, "GET", f"{BASE}/{workflow_id}/audit-events", key=OTHER_KEY))[0] == 404


@pytest.mark.parametrize("key", ["a/b", "a%2Fb", "100%", "%25/ä", "key:/resolve"])
async def test_a_promise_is_settled_by_a_key_of_any_signs(calls: Calls, key: str) -> None:
    """An encoded slash belongs to the key; what looks like one in the key's own text stays as it is."""
    await calls.start()
    await calls.step(create_promise("p", idempotency_key=key))
    path = f"/api/v1/tenants/test/promises/key:{quote(key, safe='')}/resolve"
    for _ in range(2):
        assert (await _rest(calls, "POST", path, {"value": 1}))[1]["resolved"] is True
    assert (await _rest(calls, "POST", path, {"value": 2}))[1]["alreadyResolved"] is True


@pytest.mark.parametrize("spelling", ["snake", "camel"])
async def test_signals_are_taken_in_both_spellings(calls: Calls, spelling: str) -> None:
    """The answers are in snake_case."""

    def body(**fields: Any) -> dict[str, Any]:
        parts = {name: name.split("_") for name in fields}
        camel = {name: words[0] + "".join(word.title() for word in words[1:]) for name, words in parts.items()}
        return {(camel[name] if spelling == "camel" else name): value for name, value in fields.items()}

    start = body(workflow_id="w", workflow_kind="k", workflow_input=1, signal_name="s", signal_value={"n": 1.0})
    status, first = await _rest(calls, "POST", f"{BASE}/signal-with-start", start)
    assert (status, first["workflow_created"], first["signal_event_sequence"]) == (200, True, 2)
    workflow_id = first["workflow_execution_id"]
    assert (await _rest(calls, "POST", f"{BASE}/{workflow_id}/signal", body(signal_name="s", signal_value=None))) == (
        200,
        {"signal_event_sequence": 3, "signal_delivered": True},
    )
    await calls.step(complete(), status=COMPLETED)
    assert (await _rest(calls, "POST", f"{BASE}/{workflow_id}/signal", body(signal_name="s")))[0] == 409


async def test_a_promise_is_settled_by_id_or_by_key(calls: Calls) -> None:
    """The first settlement counts; a key may hold colons."""
    workflow_id = await calls.start()
    await calls.step(create_promise("a", idempotency_key="order:7:a"), create_promise("b"))
    a, b = (data["promiseId"] for _, kind, data in await calls.events(workflow_id) if kind == "PROMISE_CREATED")
    base = "/api/orgs/test/promises"
    settled = {"resolved": True, "alreadyResolved": False, "promiseId": a}
    assert await _rest(calls, "POST", f"{base}/key:order:7:a/resolve", {"value": {"n": 1.0}}) == (200, settled)
    assert (await _rest(calls, "POST", f"{base}/{a}/resolve", {}))[1]["alreadyResolved"]
    assert (await _rest(calls, "POST", f"/api/promises/id:{b}/reject", {"error": "no"}))[1]["resolved"]
    assert [event[1:] for event in (await calls.events(workflow_id))[3:]] == [
        ("PROMISE_RESOLVED", {"promiseId": a, "promiseName": "a", "value": {"n": 1.0}}),
        ("PROMISE_REJECTED", {"promiseId": b, "promiseName": "b", "error": "no"}),
    ]
    for ident in (str(uuid4()), "x", "key:none"):
        assert (await _rest(calls, "POST", f"{base}/{ident}/resolve", {}))[0] == 404


async def test_state_is_what_the_history_amounts_to(calls: Calls) -> None:
    """The last event of a key counts."""
    workflow_id = await calls.start()
    await calls.claim()
    sets = [
        pb.WorkflowCommand(set_state=pb.SetStateCommand(key=key, value=value))
        for key, value in (("a", b"1"), ("b", b"2"), ("a", b"null"))
    ]
    clear = pb.WorkflowCommand(clear_state=pb.ClearStateCommand(key="b"))
    await calls.submit(workflow_id, *sets, clear, status=RUNNING)
    assert await _rest(calls, "GET", f"{BASE}/{workflow_id}/state") == (200, {"state": {"a": None}})


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "kind"),
        ({"kind": ""}, "kind"),
        ({"kind": "k", "queue": "q" * 101}, "queue"),
        ({"kind": "k", "metadata": {"_flovyn_x": "1"}}, "metadata"),
        ({"kind": "k", "idempotencyKey": ""}, "idempotency_key"),
        ({"kind": "k", "idempotencyKey": "a", "idempotencyKeyTTL": "soon"}, "idempotencyKeyTTL"),
        ({"kind": "k", "idempotencyKey": "a", "idempotencyKeyTTL": "31d"}, "ttl"),
        ({"kind": "k", "prioritySeconds": 2**31}, "prioritySeconds"),
        ({"kind": "k", "inptu": 1}, "inptu"),
    ],
)
async def test_malformed_starts_are_refused_by_field(calls: Calls, body: dict[str, Any], named: str) -> None:
    """400, with the field's name."""
    status, answer = await _rest(calls, "POST", BASE, body)
    assert (status, named.lower() in answer["error"].lower()) == (400, True)


async def test_workflows_of_other_tenants_are_not_there(calls: Calls) -> None:
    """404 for another tenant's run in one's own place, for unknown ids and for what is no id; bad queries are 400."""
    workflow_id = await calls.start()
    mine = "/api/orgs/other/workflow-executions"
    for path in ("", "/events", "/children", "/state"):
        assert (await _rest(calls, "GET", f"{mine}/{workflow_id}{path}", key=OTHER_KEY))[0] == 404
        assert (await _rest(calls, "GET", f"{BASE}/{uuid4()}{path}"))[0] == 404
        assert (await _rest(calls, "GET", f"{BASE}/x{path}"))[0] == 404
    for verb in ("cancel", "retry"):
        assert (await _rest(calls, "POST", f"{mine}/{workflow_id}/{verb}", {}, key=OTHER_KEY))[0] == 404
    assert (await _rest(calls, "GET", f"{BASE}/{workflow_id}", key=OTHER_KEY))[0] == 404
    for query in ({"status": "DONE"}, {"metadata": "[]"}, {"limit": 0}, {"what": 1}):
        assert (await _rest(calls, "GET", BASE, params=query))[0] == 400
