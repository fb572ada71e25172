"""Requests that are sent again: a route's handler, wrapped so that a request with an ``Idempotency-Key`` runs once."""

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
    """Return the route's handler as requests reach it: those without a key as before."""
    if route.method == "DELETE" and route.repeated is Repeat.SAME:

        async def delete(request: Request, response: Response, **parameters: Any) -> None:
            work = _Work(route, request, response, parameters)
            answer = await repeats.deleted(work.sent(""), work.carry_out)
            if answer.replayed:
                _give(answer, response)

        return delete
    if not route.repeated.takes_key:
        return route.handler

    async def once(request: Request, response: Response, **parameters: Any) -> None:
        key = request.get_header(HEADER)
        if key is None:
            await route.handler(request, response, **parameters)
            return
        work = _Work(route, request, response, parameters)
        answer = await repeats.once(work.sent(checked_key(key)), work.carry_out, secret=route.secret_answer)
        if answer.replayed:
            _give(answer, response)

    return once


class _Work:
    """One request on its way through its handler."""

    def __init__(self, route: RestRoute, request: Request, response: Response, parameters: dict[str, Any]) -> None:
        self._route = route
        self._request = request
        self._response = response
        self._parameters = parameters

    def sent(self, key: str) -> SentCall:
        """Return the request as far as it can be sent again."""
        context = self._request.context
        named = json.dumps([self._parameters, self._request.query_string], sort_keys=True).encode()
        content = named + getattr(context, "sent", b"")
        operation = f"{self._route.method} {self._route.path}"
        return SentCall(context.tenant_id, context.identity, operation, key, content)

    async def carry_out(self) -> Answer:
        """Run the handler and return its answer: the status, the headers, and the body as it is sent.

        Raises:
            NotOffered: the answer is a stream.
        """
        response = self._response
        await self._route.handler(self._request, response, **self._parameters)
        if response.stream is not None:
            raise NotOffered(f"the answer to this request is a stream, which cannot be stored: leave {HEADER} out")
        body = await response.render_body() or b""
        media = response.media if isinstance(response.media, dict) else {}
        resource_id = self._parameters.get(self._route.resource_id) or media.get(self._route.resource_id)
        head = json.dumps([response.status_code, response.headers]).encode()
        return Answer(head + b"\n" + body, None if resource_id is None else str(resource_id))


def _give(answer: Answer, response: Response) -> None:
    """Answer as before."""
    head, _, body = answer.content.partition(b"\n")
    response.status, headers = json.loads(head)
    response.set_headers(headers)
    response.set_header(REPLAYED, "true")
    response.media = None
    if body:
        response.data = body
    response.context.resource_id = answer.resource_id
