"""Builds falcon's app from routes. What is not a route here does not exist; what is, is guarded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import falcon.asgi

from core.endpoints import RestRoute
from core.errors import StartupError
from core.launchers import TenantLookup
from server.auth.stack import AuthStack
from server.observability.request_id import REQUEST_ID, new_request_id
from server.rest_api import error_mapping
from server.rest_api.guard import guarded
from server.rest_api.resources.health import Health


class RequestIds:
    """Gives every request an id: the caller's own, or a new one."""

    async def process_request(self, request: falcon.asgi.Request, _response: falcon.asgi.Response) -> None:
        """Set the id for log lines."""
        REQUEST_ID.set(new_request_id(request.get_header("x-request-id")))

    async def process_response(
        self,
        _request: falcon.asgi.Request,
        response: falcon.asgi.Response,
        _resource: object,
        _ok: bool,  # noqa: FBT001
    ) -> None:
        """Tell the caller."""
        response.set_header("x-request-id", REQUEST_ID.get())


def build_app(
    routes: Sequence[RestRoute], auth: AuthStack, tenants: TenantLookup, health: Health
) -> falcon.asgi.App[Any, Any]:
    """Return the app with the guarded routes and the open health checks.

    Raises:
        StartupError: two routes claim one method and path.
    """
    app: falcon.asgi.App[Any, Any] = falcon.asgi.App(middleware=[RequestIds()])
    error_mapping.install(app)
    health.add_to(app)
    by_path: dict[str, dict[str, RestRoute]] = defaultdict(dict)
    for route in routes:
        if route.method in by_path[route.path]:
            raise StartupError(f"two routes claim {route.method} {route.path}")
        by_path[route.path][route.method] = route
    for path, methods in by_path.items():
        responders = {f"on_{name.lower()}": guarded(route, auth, tenants) for name, route in methods.items()}
        app.add_route(path, type("Resource", (), responders)())
    return app
