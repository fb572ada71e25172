"""Health checks: the only endpoints without credentials. They show the edition, and nothing of its users."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import falcon.asgi

from core.build_info import BuildInfo


class Health:
    """``/_/health``: the process is alive, and its edition. ``/_/health/ready``: the process can serve calls.

    Args:
        build_info: the edition.
        why_not_ready: returns, for each component, the reason why it does not work; None where it works.
    """

    def __init__(self, build_info: BuildInfo, why_not_ready: Callable[[], Awaitable[dict[str, str | None]]]) -> None:
        self._body = {
            "status": "UP",
            "version": build_info.version,
            "edition": build_info.edition,
            "plugins": [{"name": plugin.name, "version": plugin.version} for plugin in build_info.plugins],
        }
        self._why_not_ready = why_not_ready

    def add_to(self, app: falcon.asgi.App[Any, Any]) -> None:
        """Add the paths to the app."""
        for path in ("/_/health", "/health", "/_/health/live", "/_/health/startup"):
            app.add_route(path, self)
        for path in ("/_/health/ready", "/_/ready"):
            app.add_route(path, self, suffix="ready")

    async def on_get(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer that the process serves."""
        response.media = self._body

    async def on_head(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer as GET does, for probes that send HEAD."""
        await self.on_get(request, response)

    async def on_get_ready(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer 200 when all components work, otherwise 503 with the reasons.

        The answer needs no credentials, so the reasons name no hosts; the log does.
        """
        found = await self._why_not_ready()
        reasons = {name: reason for name, reason in found.items() if reason is not None}
        response.status = 503 if reasons else 200
        response.media = {
            "status": "DOWN" if reasons else "UP",
            "components": {name: "DOWN" if name in reasons else "UP" for name in found},
            **({"reasons": reasons} if reasons else {}),
        }

    async def on_head_ready(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer as GET does, for probes that send HEAD."""
        await self.on_get_ready(request, response)
