"""A server from sources in a process of its own, and a Chromium that opens its console."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc.aio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright, expect

from core.build_info import BuildInfo, PluginInfo
from plugins.audit_log.plugin import AuditLogPlugin
from plugins.console.plugin import ConsolePlugin
from plugins.worker_token.plugin import WorkerTokenPlugin
from server.boot.edition import Edition
from server.cli.serve import serve_edition
from tests.support.pex import SECRET, Serving
from tests.support.running import OPERATOR_KEY, OTHER_KEY, OTHER_TENANT, TENANT, WORKER_KEY, Connection

ADMIN_KEY = "admin-key-0123456789abcdef"
MEMBER_KEY = "viewer-key-0123456789abcdef"
PLUGINS = (AuditLogPlugin, ConsolePlugin, WorkerTokenPlugin)

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

expect.set_options(timeout=20_000)  # milliseconds; a busy machine needs more than the 5 s of the default

_SETTINGS = {
    "TENANTS": json.dumps(
        [
            {"id": str(TENANT), "slug": "test", "name": "Test"},
            {"id": str(OTHER_TENANT), "slug": "other", "name": "Other"},
        ]
    ),
    "AUTH__STATIC_API_KEY__KEYS": json.dumps(
        [
            {"key": WORKER_KEY, "tenant_id": str(TENANT), "principal_type": "Worker", "principal_id": "worker:test"},
            {"key": OTHER_KEY, "tenant_id": str(OTHER_TENANT), "role": "ADMIN", "principal_id": "bob"},
            {"key": ADMIN_KEY, "tenant_id": str(TENANT), "role": "ADMIN", "principal_id": "ada"},
            {"key": MEMBER_KEY, "tenant_id": str(TENANT), "role": "MEMBER", "principal_id": "eve"},
            {"key": OPERATOR_KEY, "role": "OPERATOR", "principal_id": "operator:test"},
        ]
    ),
}
_ROOT = Path(__file__).parents[2]


def serve() -> None:
    """Serve an edition of these plugins until stopped; the script of ``Served`` calls it."""
    infos = tuple(PluginInfo(plugin.name, plugin.version) for plugin in PLUGINS)
    build = BuildInfo("test", "0.0.0", "3.11", "", infos)
    sys.exit(serve_edition(Edition(build, lambda: [plugin() for plugin in PLUGINS]), development=False))


class Served:
    """The server: it can be stopped and started again on the same ports."""

    def __init__(self, database: str, folder: Path, **environ: str) -> None:
        self._database = database
        self._environ = {**_SETTINGS, **environ}
        self._script = folder / "serve"
        paths = [str(_ROOT), *filter(None, sys.path)]
        text = f"#!{sys.executable}\nimport sys\nsys.path[:0] = {paths!r}\nfrom tests.browser.served import serve\nserve()\n"
        self._script.write_text(text, "utf-8")
        self._script.chmod(0o755)

    def start(self) -> None:
        """Start it, and wait until it serves."""
        self.serving = Serving(self._script, self._database, **self._environ)
        self.serving.__enter__()
        self._environ |= {
            "SERVER_PORT": str(self.serving.http_port),
            "GRPC_SERVER_PORT": str(self.serving.grpc_port),
        }

    def stop(self) -> None:
        """Stop it."""
        self.serving.__exit__(None, None, None)

    @property
    def origin(self) -> str:
        """The address at which browsers see it."""
        return f"http://127.0.0.1:{self.serving.http_port}"


class Visit:
    """A browser's context at a server, a page in it, and all that the page complained of.

    Attributes:
        worker: calls of a worker of the tenant, and of a client.
    """

    def __init__(
        self, server: Served, browser: Browser, context: BrowserContext, page: Page, worker: Connection
    ) -> None:
        self.server = server
        self.browser = browser
        self.context = context
        self.page = page
        self.worker = worker
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._said)

    def _said(self, message: ConsoleMessage) -> None:
        # a refused call is told to the person; the browser logs it as an error of its own
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def rest(self, method: str, path: str, body: object = None, key: str = ADMIN_KEY) -> tuple[int, object]:
        """Make a call of the REST API, as a program does."""
        return self.server.serving.send(method, f"/api/v1/tenants/test{path}", key, body)


@asynccontextmanager
async def visiting(database: str, folder: Path, *, base: str = "", **settings: str) -> AsyncIterator[Visit]:
    """Serve, and open a browser; at the end the page has thrown nothing and broken no rule of its policy."""
    server = Served(database, folder, WORKER_TOKEN_SECRET=SECRET, **settings)
    server.start()
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
            context = await browser.new_context(base_url=server.origin + base, viewport={"width": 1440, "height": 900})
            page = await context.new_page()
            page.set_default_timeout(15_000)
            address = f"127.0.0.1:{server.serving.grpc_port}"
            async with grpc.aio.insecure_channel(address) as channel:
                visit = Visit(server, browser, context, page, Connection(channel))
                yield visit
            await browser.close()
            assert visit.complaints == []
    finally:
        server.stop()
