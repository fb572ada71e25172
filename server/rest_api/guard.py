"""The guard of REST: it turns a ``RestRoute`` into a responder that admits each request (``server.admission``).

Every route is served through a guard, so no route can be open by mistake.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import falcon.asgi

from core.endpoints import RestRoute
from core.launchers import TenantLookup
from server.admission.pipeline import Admission
from server.database.standby import accepting
from server.engine.repeats import Repeats
from server.observability.calls import text_of
from server.rest_api import error_mapping
from server.rest_api.call import BrowserCalls, RestCall, ServedRoute
from server.rest_api.path_segments import plain
from server.rest_api.repeats import repeatable
from server.rest_api.rights import Rights

Responder = Callable[..., Awaitable[None]]
Request = falcon.asgi.Request
_MAX_AGE = "max-age="
_AGE = re.compile(rf"no-cache|{_MAX_AGE}[0-9]{{1,9}}")
Response = falcon.asgi.Response


class RestGuard:
    """The guard of all routes of a process."""

    def __init__(
        self, admission: Admission, tenants: TenantLookup, repeats: Repeats, browser_calls: BrowserCalls
    ) -> None:
        self._admission = admission
        self.meter = admission.meter
        self._tenants = tenants
        self._repeats = repeats
        self._browser_calls = browser_calls
        self._rights = Rights(tenants)

    def responder(self, route: RestRoute) -> Responder:
        """Return the guarded responder of a route."""
        served = ServedRoute(route, self._admission.auth, self._tenants, self._browser_calls)
        self._rights.add(served)
        handler = repeatable(route, self._repeats)

        async def respond(_resource: object, request: Request, response: Response, **parameters: Any) -> None:
            request.context.is_routed = True
            call = RestCall(served, request, {name: plain(value) for name, value in parameters.items()})
            async with self._admission.admit(call) as admitted:
                response.status = route.status
                request.context.rights = partial(self._rights.of, call.identity)
                if route.method == "GET":
                    with accepting(_accepted_age(request)) as read:
                        await handler(request, response, **call.parameters)
                    if read.age is not None:
                        response.set_header("age", str(math.ceil(read.age)))
                else:
                    await handler(request, response, **call.parameters)
                content = await response.render_body()  # an answer that cannot be sent is no success; falcon keeps it
                if content is not None:
                    call.answer_size = content.__len__
                if admitted.is_observed or response.status_code >= 400:  # noqa: PLR2004
                    code = error_mapping.code_of_status(response.status_code)
                    admitted.end_with(code, _resource_id(route, response))

        return respond


def _accepted_age(request: Request) -> float:
    """Return the age in seconds of the data that the client accepts, by ``Cache-Control`` (RFC 9111, 5.2.1)."""
    directives = (request.get_header("cache-control") or "").lower().replace(" ", "").split(",")
    ages = [0.0 if each == "no-cache" else float(each[len(_MAX_AGE) :]) for each in directives if _AGE.fullmatch(each)]
    return min(ages, default=math.inf)


def _resource_id(route: RestRoute, response: Response) -> str | None:
    """Return the id of the resource that the response names, or that a stored response is about."""
    if isinstance(response.media, dict):
        return text_of(response.media, route.resource_id)
    stored: str | None = getattr(response.context, "resource_id", None)
    return stored
