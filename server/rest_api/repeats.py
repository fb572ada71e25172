"""Runs a request with an ``Idempotency-Key`` once, and answers it from the stored answer when it is sent again."""

from __future__ import annotations

import json
from typing import Any

import falcon.asgi

from core.endpoints import Repeat, RestHandler, RestRoute
from core.errors import NotOffered
from server.engine.repeats import HEADER, REPLAYED, Answer, Repeats, SentCall, checked_key

Request = falcon.asgi.Request
Response = falcon.asgi.Response


def repeatable(route: RestRoute, repeats: Repeats) -> RestHandler:
    """Return the handler of the route, wrapped for requests that are sent again; without a key it runs unchanged."""
    if route.is_open:
        return route.handler  # an unknown caller stores no answers
    if route.method == "DELETE" and route.repeated is Repeat.SAME:

        async def delete(request: Request, response: Response, **parameters: Any) -> None:
            sent = _Request(route, request, response, parameters)
            answer = await repeats.deleted(sent.call(""), sent.carry_out)
            if answer.replayed:
                _write(answer, response)

        return delete
    if not route.repeated.takes_key:
        return route.handler

    async def once(request: Request, response: Response, **parameters: Any) -> None:
        key = request.get_header(HEADER)
        if key is None:
            await route.handler(request, response, **parameters)
            return
        sent = _Request(route, request, response, parameters)
        answer = await repeats.once(sent.call(checked_key(key)), sent.carry_out, secret=route.secret_answer)
        if answer.replayed:
            _write(answer, response)

    return once


class _Request:
    """One request and its response, for ``Repeats``."""

    def __init__(self, route: RestRoute, request: Request, response: Response, parameters: dict[str, Any]) -> None:
        self._route = route
        self._request = request
        self._response = response
        self._parameters = parameters

    def call(self, key: str) -> SentCall:
        """Return the parts of the request that make it the same request when it is sent again."""
        context = self._request.context
        named = json.dumps([self._parameters, self._request.query_string], sort_keys=True).encode()
        content = named + getattr(context, "sent", b"")
        operation = f"{self._route.method} {self._route.path}"
        return SentCall(context.tenant_id, context.identity, operation, key, content)

    async def carry_out(self) -> Answer:
        """Run the handler; return its answer: the status, the headers and the body.

        Raises:
            NotOffered: the answer is a stream.
        """
        response = self._response
        await self._route.handler(self._request, response, **self._parameters)
        if response.stream is not None:
            raise NotOffered(
                f"the answer to this request is a stream, which cannot be stored; send it without {HEADER}"
            )
        body = await response.render_body() or b""
        media = response.media if isinstance(response.media, dict) else {}
        resource_id = self._parameters.get(self._route.resource_id) or media.get(self._route.resource_id)
        head = json.dumps([response.status_code, response.headers]).encode()
        return Answer(head + b"\n" + body, None if resource_id is None else str(resource_id))


def _write(answer: Answer, response: Response) -> None:
    """Write a stored answer into the response."""
    head, _, body = answer.content.partition(b"\n")
    response.status, headers = json.loads(head)
    response.set_headers(headers)
    response.set_header(REPLAYED, "true")
    response.media = None
    if body:
        response.data = body
    response.context.resource_id = answer.resource_id
