"""Long histories, large values, wrong clocks, revoked tokens, and the page of the API, as a person meets them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import cast

import psycopg
import pytest
from playwright.async_api import expect

from tests.browser.pages import Console, Workflow, Workflows
from tests.browser.seeds import calls_at
from tests.browser.served import ADMIN_KEY, Visit, visiting

EVENTS = 50_000
MOST_DRAWN = 100
"""Events that the page may hold at a time."""


@pytest.fixture
async def visit(database: str, tmp_path: Path) -> AsyncIterator[Visit]:
    """A server, and a browser that is signed in nowhere."""
    async with visiting(database, tmp_path) as opened:
        yield opened


async def test_a_history_of_many_events_opens_and_scrolls(visit: Visit, database: str) -> None:
    """The page holds those in sight alone; the last one is reached."""
    workflow_id = await calls_at(visit.worker).start(workflow_kind="long")
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO workflow_event (tenant_id, workflow_execution_id, sequence, event_type, event_data)"
            " SELECT tenant_id, id, number, 'OPERATION_COMPLETED', json_build_object('operationName', 'o' || number)"
            " FROM workflow_execution, generate_series(2, %s) AS number",
            [EVENTS],
        )
        connection.execute("UPDATE workflow_execution SET last_sequence = %s", [EVENTS])
    shown, page = Workflow(visit.page), visit.page
    await shown.sign_in()
    await shown.open(f"/workflows/{workflow_id}")
    await shown.show("Events")
    frame = page.get_by_role("group", name="Events, in their order")
    await expect(frame.get_by_role("button").first).to_contain_text("workflow started")
    await expect(page.get_by_role("tab", name="Events")).to_contain_text(str(EVENTS), timeout=60_000)
    await frame.evaluate("(frame) => (frame.scrollTop = frame.scrollHeight)")
    await expect(frame.get_by_role("button").last).to_contain_text(f"o{EVENTS}")
    assert await frame.get_by_role("button").count() < MOST_DRAWN


async def test_a_large_value_is_shown_in_part(visit: Visit) -> None:
    """And whole when the person asks for it; NUL is shown as its number."""
    text = "a\x00b" + "x" * 900_000
    workflow_id = await calls_at(visit.worker).start(json.dumps({"text": text}).encode(), workflow_kind="large")
    listed, page = Workflows(visit.page), visit.page
    await listed.sign_in()
    await listed.follow(workflow_id)
    value = page.get_by_label("Input", exact=True)
    await expect(value).to_contain_text(r"a\u0000bxxx")
    assert len(await value.inner_text()) < 25_000
    await page.get_by_role("button", name="Show all").click()
    await expect(page.get_by_role("button", name="Show all")).to_have_count(0)


@pytest.mark.parametrize("days", [-1, 1])
async def test_a_wrong_clock_of_the_browser_changes_no_time(visit: Visit, days: int) -> None:
    """Times are compared with the server's: a new workflow is new, and in the last 15 minutes."""
    await calls_at(visit.worker).start(workflow_kind="order")
    listed, page = Workflows(visit.page), visit.page
    await page.clock.set_system_time(datetime.now(UTC) + timedelta(days=days))
    await listed.sign_in()
    await expect(listed.row("order")).to_contain_text("s ago")
    await page.get_by_label("Time", exact=True).select_option("Last 15 minutes")
    await expect(listed.row("order")).to_be_visible()
    assert "minutes=15" in page.url


async def test_the_page_of_the_api_makes_calls_with_the_session(visit: Visit) -> None:
    """A start and a list, each from the form of its operation; a refusal is shown, too."""
    console, page = Console(visit.page), visit.page
    await console.sign_in()
    await page.goto("/api/docs")
    start = page.locator("details[data-method=POST][data-path='/api/v1/tenants/{slug}/workflow-executions']")
    await start.locator("summary").first.click()
    await start.locator("input[name='path slug']").fill("test")
    await start.get_by_role("textbox", name="Body").fill('{"kind": "from-the-docs", "input": {"n": 1.50}}')
    await start.get_by_role("button", name="Send POST").click()
    await expect(start.get_by_label("Answer", exact=True)).to_contain_text("201 Created")
    await start.get_by_role("textbox", name="Body").fill("{}")
    await start.get_by_role("button", name="Send POST").click()
    await expect(start.get_by_label("Answer", exact=True)).to_contain_text("400")
    listing = page.locator("details[data-method=GET][data-path='/api/v1/tenants/{slug}/workflow-executions']")
    await listing.locator("summary").first.click()
    await listing.locator("input[name='path slug']").fill("test")
    await listing.locator("input[name='query kind']").fill("from-the-docs")
    await listing.get_by_role("button", name="Send", exact=True).click()
    await expect(listing.get_by_label("Answer", exact=True)).to_contain_text('"n": 1.50')


async def test_a_revoked_token_ends_the_sessions_that_it_opened(visit: Visit) -> None:
    """The next thing that the person does leads to the sign-in."""
    send = partial(visit.server.serving.send, "POST", "/api/v1/p/worker-token/tokens", ADMIN_KEY, {"displayName": "t"})
    _, made = await asyncio.to_thread(send)
    token = cast("dict[str, str]", made)
    console, page = Console(visit.page), visit.page
    await console.sign_in(token["token"])
    path = f"{visit.server.origin}/api/v1/p/worker-token/tokens/{token['id']}"
    revoked = await visit.context.request.delete(path, headers={"authorization": f"Bearer {ADMIN_KEY}"})
    assert revoked.ok
    await page.get_by_role("navigation", name="Pages").get_by_role("link", name="Workers").click()
    await expect(page.get_by_label("Credential")).to_be_visible()
