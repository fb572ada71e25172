"""``/api/v1/p/hello-world/…``; the one module of the plugin that knows falcon."""

from __future__ import annotations

import falcon.asgi

from core.auth import Action
from core.endpoints import RestRoute
from core.rest_model import Page, PageQuery, RestModel, Text
from plugins.hello_world.repository import GreetingRepository

RESOURCE = "greeting"


class Greet(RestModel):
    """Whom to greet."""

    name: Text


class GreetingBody(RestModel):
    """A greeting."""

    greeting: str
    times: int


class GreetingList(Page):
    """A page of greetings."""

    greetings: list[GreetingBody]


def routes(greetings: GreetingRepository) -> list[RestRoute]:
    """Return the plugin's routes."""

    async def greet(request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        body: Greet = request.context.body
        made = await greetings.greet(request.context.tenant_id, body.name)
        response.media = GreetingBody(greeting=f"Hello, {made.name}!", times=made.times).as_json()

    async def page(request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        query: PageQuery = request.context.query
        found, total = await greetings.page(request.context.tenant_id, query.limit, query.offset)
        bodies = [GreetingBody(greeting=f"Hello, {each.name}!", times=each.times) for each in found]
        answer = GreetingList(greetings=bodies, total=total, limit=query.limit, offset=query.offset)
        response.media = answer.as_json()

    return [
        RestRoute(
            "POST",
            "/greetings",
            greet,
            Action.CREATE,
            RESOURCE,
            "Greet a person",
            request_model=Greet,
            response_model=GreetingBody,
            status=201,
        ),
        RestRoute(
            "GET",
            "/greetings",
            page,
            Action.VIEW,
            RESOURCE,
            "List greetings by name",
            query_model=PageQuery,
            response_model=GreetingList,
        ),
    ]
