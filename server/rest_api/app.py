"""Builds falcon's app from routes. Every route is guarded, except the health checks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import falcon
import falcon.asgi
import falcon.media

from core.auth import Protocol
from core.calls import OK
from core.endpoints import RestRoute
from core.errors import StartupError
from core.json_text import write
from server.observability.call_meter import CallMeter
from server.observability.request_id import REQUEST_ID, new_request_id
from server.plugin_checks.contributions import shape
from server.rest_api import error_mapping, text_gate
from server.rest_api.guard import Responder, RestGuard
from server.rest_api.page_headers import PageHeaders
from server.rest_api.pages import Pages
from server.rest_api.path_segments import EncodedSlashes
from server.rest_api.resources.health import Health
from server.rest_api.text_gate import PathGate

AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]
"""An application by the ASGI standard: called with scope, receive and send. Other packages see falcon's app as this."""


class RequestIds:
    """Sets the id of each request: the caller's own, or a new one; counts the requests that no guard sees."""

    def __init__(self, meter: CallMeter) -> None:
        self._meter = meter

    async def process_request(self, request: falcon.asgi.Request, _response: falcon.asgi.Response) -> None:
        """Set the id for log lines."""
        REQUEST_ID.set(new_request_id(request.get_header("x-request-id")))

    async def process_response(
        self,
        request: falcon.asgi.Request,
        response: falcon.asgi.Response,
        resource: object,
        _ok: bool,  # noqa: FBT001
    ) -> None:
        """Send the id to the caller."""
        if not getattr(request.context, "is_routed", False):
            code = error_mapping.code_of_status(response.status_code)
            if response.status_code == 405:  # noqa: PLR2004
                self._meter.unrouted(Protocol.REST, code, "wrong method")
            elif isinstance(resource, Health):
                ready = OK if response.status_code < 400 else "not_ready"  # noqa: PLR2004
                self._meter.health(Protocol.REST, f"{request.method} {request.uri_template}", ready)
            elif 400 <= response.status_code < 500:  # noqa: PLR2004
                self._meter.unrouted(Protocol.REST, code)
        response.set_header("x-request-id", REQUEST_ID.get())


def paths_of(routes: Sequence[RestRoute]) -> Iterator[tuple[str, RestRoute]]:
    """Yield every path that is served, aliases included, with its route."""
    for route in routes:
        for path in (route.path, *route.aliases):
            yield path, route


def build_app(routes: Sequence[RestRoute], guard: RestGuard, health: Health, pages: Pages) -> falcon.asgi.App[Any, Any]:
    """Return the app with the guarded routes, the pages and the open health checks.

    Raises:
        StartupError: two routes claim the same method and path.
    """
    app: falcon.asgi.App[Any, Any] = falcon.asgi.App(
        middleware=[RequestIds(guard.meter), PageHeaders(), PathGate(), EncodedSlashes()],
        request_type=text_gate.Request,
    )
    app.resp_options.media_handlers[falcon.MEDIA_JSON] = falcon.media.JSONHandler(dumps=write)
    error_mapping.install(app, pages.sign_in)
    health.add_to(app)
    by_path: dict[str, dict[str, RestRoute]] = defaultdict(dict)
    spelled: dict[str, str] = {}
    for path, route in paths_of([*routes, *pages.routes()]):
        if route.method in by_path[path] or spelled.setdefault(shape(path), path) != path:
            raise StartupError(f"two routes claim {route.method} {path}, or the same path with other parameter names")
        by_path[path][route.method] = route
    for path, methods in by_path.items():
        responders = {f"on_{name.lower()}": guard.responder(route) for name, route in methods.items()}
        responders["on_options"] = _no_options(sorted(methods))
        try:
            app.add_route(path, type("Resource", (), responders)())
        except ValueError as error:
            raise StartupError(f"the route {path} does not fit beside the others: {error}") from None
    return app


def _no_options(methods: list[str]) -> Responder:
    """Return a responder that refuses OPTIONS, which falcon would answer by itself, even to unknown callers."""

    async def refuse(_resource: object, _request: Any, _response: Any, **_parameters: Any) -> None:
        raise falcon.HTTPMethodNotAllowed(methods)

    return refuse
