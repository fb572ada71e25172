"""``/api/v1/p/hello-world/…``."""

from __future__ import annotations

import falcon.asgi
from pydantic import BaseModel, ConfigDict, Field

from core.auth import Action
from core.endpoints import RestRoute
from plugins.hello_world.repository import GreetingRepository


class Greet(BaseModel):
    """Body of ``POST /greetings``."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00]*$")


def routes(greetings: GreetingRepository) -> list[RestRoute]:
    """Return the plugin's routes."""

    async def greet(request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        body: Greet = request.context.body
        times = await greetings.greet(request.context.tenant_id, body.name)
        response.status = 201
        response.media = {"greeting": f"Hello, {body.name}!", "times": times}

    return [RestRoute("POST", "/greetings", greet, Action.CREATE, "greeting", "Greet somebody", Greet)]
