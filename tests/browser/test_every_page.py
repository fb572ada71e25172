"""Every page of the console, in dark and light, wide and narrow: axe finds nothing, nothing is cut off, and it is pictured.

The pictures are in the test's undeclared outputs; ``readme.png`` is the one in the README.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.pages import Console
from tests.browser.seeds import Seeded, seed
from tests.browser.served import ADMIN_KEY, Visit, visiting

MAX_README_BYTES = 200_000
_AXE = os.environ.get("AXE", ".venv/npm/axe.min.js").split()
_DESCRIBE = "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes[0].html]))"


@pytest.fixture
async def visit(database: str, tmp_path: Path) -> AsyncIterator[Visit]:
    """A server, and a browser that is signed in nowhere."""
    async with visiting(database, tmp_path) as opened:
        yield opened


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """The folder for pictures."""
    folder = Path(os.environ.get("TEST_UNDECLARED_OUTPUTS_DIR", tmp_path)) / "pictures"
    folder.mkdir(exist_ok=True)
    return folder


def addresses(seeded: Seeded) -> dict[str, str]:
    """Return the pages to look at, by the name of their pictures."""
    return {
        "workflows": "",
        "workflows-none": "?q=nothing",
        "workflow": f"/workflows/{seeded.order}",
        "workflow-failed": f"/workflows/{seeded.failed}",
        "workflow-unknown": "/workflows/00000000-0000-4000-8000-000000000000",
        "problems": "/problems",
        "tasks": "/tasks",
        "task": f"/tasks/{seeded.task}",
        "agents": "/agents",
        "agent": f"/agents/{seeded.agent}",
        "promises": "/promises",
        "schedules": "/schedules",
        "queues": "/queues",
        "workers": "/workers",
        "tokens": "/tokens",
        "audit": "/audit",
        "edition": "/edition",
        "account": "/account",
    }


async def _look(page: Page, file: Path) -> None:
    """Hold a page against axe, and picture it wide and narrow."""
    await page.add_script_tag(path=next(path for path in _AXE if path.endswith(".js")))
    assert await page.evaluate(_DESCRIBE) == [], file.name
    for width in (1440, 390):
        await page.set_viewport_size({"width": width, "height": 900})
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, file.name
        await page.screenshot(path=f"{file}-{width}.png", full_page=True)
    await page.set_viewport_size({"width": 1440, "height": 900})


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_and_nothing_is_cut_off(visit: Visit, pictures: Path, scheme: str) -> None:
    """On the sign-in and on each page that it leads to."""
    seeded = await seed(visit.server, visit.worker)
    # axe is a script of another origin than the console's own, which the policy of its pages refuses
    context = await visit.browser.new_context(
        base_url=visit.server.origin, color_scheme="dark" if scheme == "dark" else "light", bypass_csp=True
    )
    page = await context.new_page()
    await page.set_viewport_size({"width": 1440, "height": 900})
    console = Console(page)
    await page.goto("/")
    await expect(page.get_by_label("Credential")).to_be_visible()
    await _look(page, pictures / f"sign-in-{scheme}")
    await console.sign_in(ADMIN_KEY)
    for name, path in addresses(seeded).items():
        await console.open(path)
        await console.loaded()
        await _look(page, pictures / f"{name}-{scheme}")
    await page.goto("/api/docs")
    await page.locator("details").first.locator("summary").click()
    await expect(page.get_by_text("Try it with your session")).to_be_visible()
    await _look(page, pictures / f"docs-{scheme}")
    await context.close()


async def test_the_picture_of_the_readme_is_small(visit: Visit, pictures: Path) -> None:
    """A workflow whose task is tried again, as a person sees it."""
    seeded = await seed(visit.server, visit.worker)
    console = Console(visit.page)
    await visit.page.set_viewport_size({"width": 1180, "height": 820})
    await console.sign_in()
    await console.open(f"/workflows/{seeded.order}")
    await console.loaded()
    await visit.page.screenshot(path=pictures / "readme.png")
    assert (pictures / "readme.png").stat().st_size <= MAX_README_BYTES
