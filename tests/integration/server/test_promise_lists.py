"""Promises over REST: the pending ones, and all those of a workflow."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from tests.support.administrators import ADMINISTERED, OTHER_ADMIN_KEY, ask
from tests.support.driving import SUSPENDED, Calls, create_promise
from tests.support.running import running_server


@pytest_asyncio.fixture
async def calls(database: str) -> AsyncIterator[Calls]:
    """A running server."""
    async with running_server(database, (), ADMINISTERED) as client:
        yield Calls(client)


async def _listed(calls: Calls, query: str = "", **more: Any) -> Any:
    status, answer = await ask(calls.client, "GET", f"/promises{query}", **more)
    assert status == 200, answer
    return answer


async def _waiting(calls: Calls, *names: str) -> str:
    workflow_id = await calls.start()
    await calls.step(*(create_promise(name, timeout_ms=60_000) for name in names), status=SUSPENDED)
    return workflow_id


async def test_pending_promises_are_listed_until_they_are_settled(calls: Calls) -> None:
    """Newest first, with their workflows and times; those of another tenant are not."""
    first = await _waiting(calls, "approval", "payment")
    second = await _waiting(calls, "approval")
    found = (await _listed(calls))["promises"]
    assert [(each["name"], each["workflowExecutionId"]) for each in found] == [
        ("approval", second),
        ("payment", first),
        ("approval", first),
    ]
    assert (found[0]["status"], found[0]["value"], found[0]["settledAt"]) == ("PENDING", None, None)
    assert found[0]["timeoutAt"] > found[0]["createdAt"]
    await ask(calls.client, "POST", f"/promises/id:{found[0]['id']}/resolve", {"value": {"n": 1.0}})
    assert [each["name"] for each in (await _listed(calls))["promises"]] == ["payment", "approval"]
    assert [each["workflowExecutionId"] for each in (await _listed(calls, "?name=approval"))["promises"]] == [first]
    assert (await _listed(calls, key=OTHER_ADMIN_KEY))["promises"] == []


async def test_the_promises_of_a_workflow_are_listed_whatever_their_status(calls: Calls) -> None:
    """With the value or the error that settled them, and a page at a time."""
    workflow_id = await _waiting(calls, "a", "b", "c")
    await _waiting(calls, "other")
    a, b, c = reversed((await _listed(calls, f"?workflowExecutionId={workflow_id}"))["promises"])
    await ask(calls.client, "POST", f"/promises/id:{a['id']}/resolve", {"value": 1})
    await ask(calls.client, "POST", f"/promises/id:{b['id']}/reject", {"error": "no"})
    page = await _listed(calls, f"?workflowExecutionId={workflow_id}&limit=2")
    assert [(each["id"], each["status"], each["value"], each["error"]) for each in page["promises"]] == [
        (c["id"], "PENDING", None, None),
        (b["id"], "REJECTED", None, "no"),
    ]
    assert page["total"] == 3
    rest = await _listed(calls, f"?workflowExecutionId={workflow_id}&limit=2&cursor={page['nextCursor']}")
    assert [(each["id"], each["status"], each["value"]) for each in rest["promises"]] == [(a["id"], "RESOLVED", 1)]
    assert rest["nextCursor"] is None
