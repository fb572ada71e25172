"""A person at work with the console: from a workflow that fails to one that is started again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest
from playwright.async_api import Route, expect

from tests.browser.pages import Console, Workflow, Workflows
from tests.browser.seeds import calls_at, schedule, seed
from tests.browser.served import ADMIN_KEY, Visit, visiting
from tests.support.calls import fail_task, poll_task, start
from tests.support.driving import COMPLETED, Calls, complete, schedule_task


@pytest.fixture
async def visit(database: str, tmp_path: Path) -> AsyncIterator[Visit]:
    """A server, and a browser that is signed in nowhere."""
    async with visiting(database, tmp_path) as opened:
        yield opened


async def failing(calls: Calls, data: bytes) -> str:
    """Start a workflow whose task fails and is tried again; return its id."""
    workflow_id = await calls.start(data, workflow_kind="order")
    await calls.step(schedule_task(str(uuid4()), "charge-card", max_retries=3))
    task = await calls.until(lambda: poll_task(calls.connection), lambda found: found is not None)
    assert task is not None
    await fail_task(calls.connection, task.task_execution_id, "card reader is busy")
    return workflow_id


async def test_a_person_finds_mends_and_repeats_a_workflow(visit: Visit) -> None:
    """By the first part of its id; the page says which task retries and why, and follows the workflow to its end."""
    calls, page = calls_at(visit.worker), visit.page
    workflow_id = await failing(calls, b'{"item": "book"}')
    await start(visit.worker, "invoice")
    listed, shown = Workflows(page), Workflow(page)
    await listed.sign_in()
    await expect(listed.row("invoice")).to_be_visible()
    await listed.search(workflow_id[:11])
    await expect(listed.row("invoice")).to_have_count(0)
    await listed.follow(workflow_id)
    await expect(shown.reasons).to_contain_text("Task charge-card fails and is tried again (attempt 1 of 4)")
    await expect(shown.reasons).to_contain_text("card reader is busy")

    await shown.act("Signal")
    await shown.confirm("Send", name="approved", value='{"by": "ada"}')
    await expect(page.get_by_role("listitem", name="signal approved")).to_be_visible()
    await calls.step(complete(b'"invoice 1"'), status=COMPLETED)
    await expect(shown.status).to_have_text("Completed")
    await expect(page.get_by_label("Output", exact=True)).to_have_text('"invoice 1"')

    await shown.act("Start again")
    await expect(page.get_by_role("dialog").get_by_label("Input")).to_have_value('{\n  "item": "book"\n}')
    await shown.confirm("Start")
    await expect(shown.status).to_have_text("Pending")
    again = page.url.rpartition("/")[2]
    assert again != workflow_id
    assert (await calls.claim()).id


async def test_a_person_pauses_a_schedule_and_signs_out(visit: Visit) -> None:
    """The server holds the pause, and the session is over."""
    status, made = visit.rest("POST", "/schedules", schedule("nightly", "report", "0 3 * * *"))
    assert status == 201, made
    console = Console(visit.page)
    await console.sign_in()
    await console.go("Schedules")
    await visit.page.get_by_role("button", name="Pause: nightly").click()
    await console.confirm("Pause")
    await expect(console.row("nightly")).to_contain_text("Paused")
    _, found = visit.rest("GET", "/schedules")
    assert not cast("dict[str, list[dict[str, bool]]]", found)["schedules"][0]["enabled"]
    await console.sign_out()
    await console.open("/schedules")
    await expect(visit.page.get_by_label("Credential")).to_be_visible()


async def test_a_person_rotates_and_revokes_a_token(visit: Visit) -> None:
    """The new secret is shown once and admits a worker; the revoked token does not."""
    console, page = Console(visit.page), visit.page
    await console.sign_in()
    await console.go("Tokens")
    await page.get_by_role("button", name="Create a token").click()
    await page.get_by_role("dialog").get_by_label("Name").fill("payments")
    await page.get_by_role("button", name="Create", exact=True).click()
    secret = await page.get_by_label("Secret", exact=True).inner_text()
    await page.get_by_role("button", name="Done").click()
    status, _ = visit.rest("GET", "/workflow-executions", key=secret)
    assert status == 200
    await page.get_by_role("button", name="Rotate: payments").click()
    await page.get_by_role("button", name="Rotate", exact=True).click()
    await page.get_by_role("button", name="Done").click()
    assert visit.rest("GET", "/workflow-executions", key=secret)[0] == 401
    await page.get_by_role("button", name="Revoke: payments").click()
    await console.confirm("Revoke the token")
    await expect(page.get_by_text("No tokens")).to_be_visible()
    await _until_recorded(visit, "DELETE")
    await console.go("Audit log")
    await expect(console.row("DELETE /p/worker-token/tokens/{id}")).to_be_visible()
    await page.get_by_role("button", name="Verify the chain").click()
    await expect(page.get_by_text("The chain is whole")).to_be_visible()


async def _until_recorded(visit: Visit, method: str) -> None:
    """Wait until the audit log has a call: it records calls a moment after they end, and the page does not follow."""
    async with asyncio.timeout(30):
        while True:
            ask = partial(visit.server.serving.send, "GET", "/api/v1/p/audit-log/events", ADMIN_KEY)
            _, answer = await asyncio.to_thread(ask)
            if method in str(answer):
                return


async def test_a_person_signals_an_agent_that_waits(visit: Visit) -> None:
    """The page shows the conversation and the condition; the signal makes the agent pending."""
    seeded = await seed(visit.server, visit.worker)
    console, page = Console(visit.page), visit.page
    await console.sign_in()
    await console.go("Agents")
    await page.get_by_title(seeded.agent).click()
    await expect(page.get_by_text("My parcel has not come")).to_be_visible()
    await expect(page.get_by_text("It waits for the signal carrier-answered")).to_be_visible()
    await page.get_by_role("button", name="Signal", exact=True).click()
    await console.confirm("Send", name="carrier-answered", value='"at gate 7"')
    await expect(page.locator(".head .status")).to_have_text("Pending")
    await page.get_by_role("tab", name="Signals").click()
    await expect(console.row("carrier-answered")).to_contain_text("not yet")


async def test_a_person_cancels_hundreds_of_workflows_by_a_filter(visit: Visit) -> None:
    """After a look at what matches; those of another kind are left alone, and the audit log has each batch."""
    calls, console, page = calls_at(visit.worker), Workflows(visit.page), visit.page
    await asyncio.gather(*(calls.start(workflow_kind="newsletter") for _ in range(500)))
    await calls.start(workflow_kind="invoice")
    await console.sign_in()
    await console.search("newsletter")
    await page.get_by_role("button", name="Change all that match").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Reason").fill("sent twice")
    await dialog.get_by_role("button", name="See what matches").click()
    await expect(dialog.get_by_role("status")).to_have_text("500 workflows match. Nothing has changed yet.")
    _, counted = visit.rest("GET", "/workflow-executions?status=PENDING&limit=1")
    assert cast("dict[str, int]", counted)["total"] == 501
    await dialog.get_by_role("button", name="Cancel 500 workflows").click()
    await expect(dialog.get_by_role("status")).to_have_text("500 cancelled")
    await dialog.get_by_role("button", name="Done").click()
    await expect(page.get_by_role("group", name="Status").get_by_role("button", name="Cancelled")).to_contain_text(
        "500"
    )
    _, left = visit.rest("GET", "/workflow-executions?status=PENDING")
    assert [each["kind"] for each in cast("dict[str, list[dict[str, str]]]", left)["workflows"]] == ["invoice"]
    await _until_recorded(visit, "cancel: 200 of 200")


async def test_a_batch_whose_answer_was_lost_is_not_done_twice(visit: Visit) -> None:
    """The person tries again, and the workflow has got the signal once."""
    workflow_id, page, sent = await start(visit.worker, "order"), visit.page, list[str | None]()

    async def lose_the_first_answer(route: Route) -> None:
        if b"dryRun" in (route.request.post_data_buffer or b""):
            await route.continue_()
            return
        sent.append(await route.request.header_value("idempotency-key"))
        answer = await route.fetch()
        await (route.abort() if len(sent) == 1 else route.fulfill(response=answer))

    listed = Workflows(page)
    await listed.sign_in()
    await listed.search("order")
    await page.route("**/bulk/signal", lose_the_first_answer)
    await page.get_by_role("button", name="Change all that match").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("What to do").select_option("signal")
    await dialog.get_by_label("Name").fill("approved")
    await dialog.get_by_role("button", name="See what matches").click()
    await dialog.get_by_role("button", name="Signal 1 workflow").click()
    await expect(dialog.get_by_role("alert")).to_be_visible()
    await dialog.get_by_role("button", name="Signal 1 workflow").click()
    await expect(dialog.get_by_role("status")).to_have_text("1 signalled")
    assert len(sent) == 2
    assert len(set(sent)) == 1
    events = [kind for _, kind, _ in await calls_at(visit.worker).events(workflow_id)]
    assert events.count("SIGNAL_RECEIVED") == 1


async def test_a_person_terminates_and_deletes_a_workflow(visit: Visit) -> None:
    """One that a worker has ends at once; a deleted one is gone, and the list is shown."""
    calls, page = calls_at(visit.worker), visit.page
    workflow_id = await calls.start(workflow_kind="order")
    await calls.activation()
    shown = Workflow(page)
    await shown.sign_in()
    await shown.open(f"/workflows/{workflow_id}")
    await expect(shown.status).to_have_text("Running")
    await shown.act("Terminate")
    await shown.confirm("Terminate the workflow", reason="it hangs")
    await expect(shown.status).to_have_text("Cancelled")
    await shown.act("Delete")
    await shown.confirm("Delete the workflow")
    await expect(page.get_by_text("No workflows yet")).to_be_visible()
    assert visit.rest("GET", f"/workflow-executions/{workflow_id}")[0] == 404


async def test_a_person_settles_a_promise_and_looks_at_queues_and_migrations(visit: Visit) -> None:
    """The workflow goes on; a queue without a worker says so; the edition says what its database has."""
    seeded = await seed(visit.server, visit.worker)
    console, page = Console(visit.page), visit.page
    await console.sign_in()
    await console.go("Queues")
    await expect(console.row("invoices")).to_contain_text("No worker is seen")
    await console.go("Promises")
    await page.get_by_role("button", name="Settle: approval").click()
    await console.confirm("Settle")
    await expect(page.get_by_text("No promise is pending")).to_be_visible()
    _, history = visit.rest("GET", f"/workflow-executions/{seeded.order}/events?type=PROMISE_RESOLVED")
    assert len(cast("dict[str, list[object]]", history)["events"]) == 1
    await page.get_by_role("navigation", name="Pages").get_by_role("link", name="Edition").click()
    await expect(page.get_by_role("heading", level=1, name="Edition test")).to_be_visible()
    await expect(console.row("0001 create tenant")).to_contain_text("Applied")
    await expect(page.get_by_role("table", name="Plugins, by name")).to_contain_text("audit-log")
