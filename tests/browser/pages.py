"""The pages of the console as people use them: each class is one page, each method one thing that a person does."""

from __future__ import annotations

from playwright.async_api import Locator, Page, expect

from tests.browser.served import ADMIN_KEY


class Console:
    """The parts that every page has."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def open(self, path: str = "") -> None:
        """Open a page by its address."""
        await self.page.goto(f"console{path}" if self.page.url == "about:blank" else f"/console{path}")

    async def sign_in(self, key: str = ADMIN_KEY) -> None:
        """Open the console, and sign in."""
        await self.page.goto("/")
        await self.page.get_by_label("Credential").fill(key)
        await self.page.get_by_role("button", name="Sign in").click()
        await expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()

    async def sign_out(self) -> None:
        """Sign out."""
        await self.page.get_by_role("button", name="Sign out").click()
        await expect(self.page.get_by_label("Credential")).to_be_visible()

    async def go(self, title: str) -> None:
        """Follow a link of the navigation."""
        await self.page.get_by_role("navigation", name="Pages").get_by_role("link", name=title, exact=True).click()
        await expect(self.page.get_by_role("heading", level=1, name=title)).to_be_visible()

    def row(self, text: str) -> Locator:
        """A row of the page's table."""
        return self.page.get_by_role("row").filter(has_text=text)

    async def loaded(self) -> None:
        """Wait until the page has loaded all that it shows."""
        await expect(self.page.locator("main")).to_be_visible()
        await expect(self.page.locator(".loading")).to_have_count(0)

    async def confirm(self, button: str, **fields: str) -> None:
        """Fill a dialog in, and press its button; it closes."""
        dialog = self.page.get_by_role("dialog")
        for label, text in fields.items():
            await dialog.get_by_label(label.capitalize()).fill(text)
        await dialog.get_by_role("button", name=button, exact=True).click()
        await expect(dialog).to_have_count(0)


class Workflows(Console):
    """The list of workflows."""

    async def search(self, text: str) -> None:
        """Look for workflows."""
        await self.page.get_by_role("searchbox").fill(text)
        await self.page.get_by_role("searchbox").press("Enter")

    async def follow(self, workflow_id: str) -> None:
        """Open a workflow of the list."""
        await self.page.get_by_title(workflow_id).click()
        await expect(self.page.get_by_text(workflow_id, exact=True).first).to_be_visible()


class Workflow(Console):
    """One workflow."""

    @property
    def status(self) -> Locator:
        """Its status beside its kind."""
        return self.page.locator(".head .status")

    @property
    def reasons(self) -> Locator:
        """The reasons why it fails or waits."""
        return self.page.get_by_role("list", name="What to know")

    async def show(self, tab: str) -> None:
        """Choose a part."""
        await self.page.get_by_role("tab", name=tab).click()

    async def act(self, button: str) -> None:
        """Press a button that asks before it acts."""
        await self.page.get_by_role("button", name=button, exact=True).click()
