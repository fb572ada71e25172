"""Hostile values in every place that the console shows, and sessions and servers that are not there any more."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.async_api import expect

from tests.browser.pages import Console, Workflow, Workflows
from tests.browser.seeds import calls_at
from tests.browser.served import ADMIN_KEY, Visit, visiting
from tests.support.calls import fail_task, poll_task, signal
from tests.support.driving import FAILED, fail, schedule_task
from tests.support.running import OTHER_KEY

MARKUP = '</script><img src=x onerror="window.hit=1"><a href="javascript:window.hit=1">x</a>'
REVERSED = "invoice\u202egnp.exe"
DIGITS = "3544790567247868102123456789.010"


@pytest.fixture
async def visit(database: str, tmp_path: Path) -> AsyncIterator[Visit]:
    """A server, and a browser that is signed in nowhere."""
    async with visiting(database, tmp_path) as opened:
        yield opened


async def _hostile(visit: Visit) -> str:
    """Make a workflow of hostile names and values; return its id."""
    calls = calls_at(visit.worker)
    data = json.dumps({"html": MARKUP, "turned": REVERSED, "long": "x" * 200_000})[:-1] + f', "digits": {DIGITS}}}'
    workflow_id = await calls.start(data.encode(), workflow_kind=MARKUP, queue=REVERSED)
    await calls.step(schedule_task(str(uuid4()), MARKUP, max_retries=1), queue=REVERSED)
    task = await calls.until(lambda: poll_task(visit.worker, REVERSED), lambda found: found is not None)
    assert task is not None
    await fail_task(visit.worker, task.task_execution_id, MARKUP + REVERSED)
    await signal(visit.worker, workflow_id, MARKUP, json.dumps(MARKUP).encode())
    await calls.step(fail(MARKUP), queue=REVERSED, status=FAILED)
    return workflow_id


async def test_hostile_values_are_shown_as_text(visit: Visit) -> None:
    """Markup runs nowhere; what turns the direction of a text is written as its number; digits stay as they are."""
    workflow_id = await _hostile(visit)
    listed, shown, page = Workflows(visit.page), Workflow(visit.page), visit.page
    await listed.sign_in()
    await expect(listed.row("</script><img src=x")).to_be_visible()
    await expect(listed.row(r"invoice\u202egnp.exe")).to_be_visible()
    await listed.follow(workflow_id)
    await expect(page.get_by_role("heading", level=1)).to_have_text(MARKUP)
    await expect(page.get_by_label("Input", exact=True)).to_contain_text("</script><img")
    await page.get_by_role("button", name="Show all").click()
    await expect(page.get_by_label("Input", exact=True)).to_contain_text(f'"digits": {DIGITS}')
    for tab in ("Tasks", "Events", "Family"):
        await shown.show(tab)
        await shown.loaded()
    assert await page.evaluate("window.hit") is None
    assert await page.locator("a[href^='javascript'], main img").count() == 0
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_page_goes_on_by_itself_when_the_server_is_back(visit: Visit) -> None:
    """It says that there is no answer, and shows what has happened since, without a load of the page."""
    calls = calls_at(visit.worker)
    workflow_id = await calls.start(workflow_kind="order")
    shown = Workflow(visit.page)
    await shown.sign_in()
    await shown.open(f"/workflows/{workflow_id}")
    await expect(shown.status).to_have_text("Pending")
    await visit.page.evaluate("window.mark = 1")
    visit.server.stop()
    await expect(visit.page.get_by_role("alert").filter(has_text="does not answer").first).to_be_visible(timeout=30_000)
    visit.server.start()
    await expect(visit.page.get_by_text("The server does not answer")).to_have_count(0, timeout=30_000)
    visit.rest("POST", f"/workflow-executions/{workflow_id}/cancel", {})
    await expect(shown.status).to_have_text("Cancelled", timeout=30_000)
    assert await visit.page.evaluate("window.mark") == 1
    visit.complaints.clear()


async def test_a_session_that_ended_leads_to_the_sign_in_and_back(visit: Visit) -> None:
    """Another place ended all sessions of the caller; after the sign-in the page is the one that was open."""
    console, page = Console(visit.page), visit.page
    await console.sign_in()
    await console.go("Schedules")
    elsewhere = await visit.browser.new_context(base_url=visit.server.origin)
    ended = await elsewhere.request.delete("/api/v1/sessions", headers={"authorization": f"Bearer {ADMIN_KEY}"})
    assert ended.status == 204
    await page.get_by_role("link", name="Tasks", exact=True).click()
    await page.get_by_label("Credential").fill(ADMIN_KEY)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", level=1, name="Tasks")).to_be_visible()


async def test_a_cookie_of_another_tenant_shows_nothing_of_this_one(visit: Visit) -> None:
    """The address of a workflow of another tenant says that there is none, and a wrong credential opens nothing."""
    workflow_id = await calls_at(visit.worker).start(workflow_kind="secret-order")
    console, page = Console(visit.page), visit.page
    await page.goto("/")
    await page.get_by_label("Credential").fill("guessed")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("does not know this credential")
    await console.sign_in(OTHER_KEY)
    await expect(page.get_by_text("No workflows yet")).to_be_visible()
    await console.open(f"/workflows/{workflow_id}")
    await expect(page.get_by_role("alert")).to_be_visible()
    await expect(page.get_by_text("secret-order")).to_have_count(0)


async def test_a_page_of_another_site_can_use_the_session_for_nothing(visit: Visit) -> None:
    """Neither a form, nor a script, nor a frame of another origin gets through with the cookie of this one."""
    workflow_id = await calls_at(visit.worker).start(workflow_kind="order")
    console, page = Console(visit.page), visit.page
    await console.sign_in()
    port = visit.server.serving.http_port
    evil = await visit.context.new_page()
    target = f"http://127.0.0.1:{port}/api/v1/tenants/test/workflow-executions/{workflow_id}/cancel"
    # another port of the same host is the same site: SameSite alone would let these through
    await evil.route("http://127.0.0.1:9/**", lambda route: route.fulfill(content_type="text/html", body="<p>evil"))
    await evil.goto("http://127.0.0.1:9/")
    script = """async (target) => {
      const said = [];
      for (const [mode, headers] of [
        ["no-cors", {}],
        ["no-cors", { "content-type": "text/plain" }],
        ["cors", { "x-flovyn-session": "1" }],
      ]) {
        const sent = fetch(target, { method: "POST", credentials: "include", mode, headers, body: "{}" });
        said.push(await sent.then((answer) => answer.type, () => "refused"));
      }
      const frame = document.createElement("iframe");
      frame.src = new URL("/console", target);
      document.body.append(frame);
      await new Promise((done) => (frame.onload = done));
      let seen = "";
      try { seen = frame.contentDocument?.body?.textContent ?? ""; } catch { seen = ""; }
      return [said, seen];
    }"""
    said, seen = await evil.evaluate(script, target)
    assert said == ["refused", "refused", "refused"]
    assert seen == ""
    await console.open(f"/workflows/{workflow_id}")
    await expect(Workflow(page).status).to_have_text("Pending")
