"""Health checks: the only endpoints that need no credentials. They say what runs here, nothing of its users."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import falcon.asgi

from core.build_info import BuildInfo


class Health:
    """``/_/health`` (alive, and which edition), ``/_/health/ready`` (may be sent work)."""

    def __init__(self, build_info: BuildInfo, is_ready: Callable[[], Awaitable[dict[str, bool]]]) -> None:
        """Take the edition and what tells, per component, whether it works."""
        self._body = {
            "status": "UP",
            "version": build_info.version,
            "edition": build_info.edition,
            "plugins": [{"name": plugin.name, "version": plugin.version} for plugin in build_info.plugins],
        }
        self._is_ready = is_ready

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
        """Answer 200 when everything that serving needs works, otherwise 503."""
        components = await self._is_ready()
        up = all(components.values())
        response.status = 200 if up else 503
        response.media = {
            "status": "UP" if up else "DOWN",
            "components": {name: "UP" if works else "DOWN" for name, works in components.items()},
        }
