"""The console: pages of the edition itself, in which people see workflows and steer them.

The server serves the files; the pages speak only the public REST API, with the rights of the session that they use.
"""

from __future__ import annotations

from importlib.resources import files

from core.pages import Site, SitePage
from core.plugin import Plugin

NAME = "console"
VERSION = "0.1.0"

PAGES = {
    "": "The workflows",
    "/sign-in": "The sign-in",
    "/workflows/{id}": "A workflow",
    "/problems": "What is stuck, and why",
    "/tasks": "The standalone tasks",
    "/tasks/{id}": "A standalone task",
    "/agents": "The agents",
    "/agents/{id}": "An agent",
    "/promises": "The promises that wait to be settled",
    "/schedules": "The schedules",
    "/queues": "The queues that have work",
    "/workers": "The workers and what they offer",
    "/tokens": "The worker tokens, in an edition that has them",
    "/audit": "The audit log, in an edition that has one",
    "/edition": "The plugins and the migrations of the edition",
    "/account": "The caller and its rights",
    "/p/{plugin}/{page}": "A page of another plugin",
}
"""The addresses, below ``/console``. Each answers the same shell; it holds nothing of any tenant, so it is open."""


class ConsolePlugin(Plugin):
    """Shows workflows, tasks, agents, schedules and workers in a browser."""

    name = NAME
    version = VERSION
    plugin_api = ">=1.1,<2"

    def site(self) -> Site:
        """``/console``, to which ``/`` leads."""
        pages = tuple(SitePage(path, "index.html", summary, is_open=True) for path, summary in PAGES.items())
        return Site("/console", files(__package__) / "site", pages, is_home=True, sign_in="/sign-in")
