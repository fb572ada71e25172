"""``/api/v1/p/worker-token/…``."""

from __future__ import annotations

import falcon.asgi
from pydantic import BaseModel, ConfigDict, Field

from core.auth import Action
from core.endpoints import RestRoute
from plugins.worker_token.service import MAX_DISPLAY_NAME, WorkerTokenService


class CreateToken(BaseModel):
    """Body of ``POST /tokens``."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    display_name: str = Field(alias="displayName", min_length=1, max_length=MAX_DISPLAY_NAME)


def routes(service: WorkerTokenService) -> list[RestRoute]:
    """Return the plugin's routes."""

    async def create(request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        body: CreateToken = request.context.body
        stored, generated = await service.create(request.context.tenant_id, body.display_name)
        response.status = 201
        response.set_header("cache-control", "no-store")
        response.media = {
            "id": str(stored.id),
            "token": generated.token,
            "displayName": stored.display_name,
            "prefix": stored.token_prefix,
            "createdAt": stored.created_at.isoformat().replace("+00:00", "Z"),
        }

    return [RestRoute("POST", "/tokens", create, Action.CREATE, "worker-token", "Create a worker token", CreateToken)]
