"""``flovyn.plugins.hello_world.v1.GreetingService``; the one module of the plugin that knows its messages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from core.auth import Action, Identity
from core.endpoints import GrpcMethod, GrpcService
from core.errors import AuthzError, InvalidInput
from plugins.hello_world import greeting_pb2 as pb
from plugins.hello_world.repository import GreetingRepository

MAX_NAME = 255
PAGE = 100


class GreetingService:
    """Handlers of the service."""

    def __init__(self, greetings: GreetingRepository) -> None:
        self._greetings = greetings

    def service(self) -> GrpcService:
        """Return the service."""
        methods = {
            "Greet": GrpcMethod(self.greet, Action.CREATE, "greeting", resource_id="name"),
            "ListGreetings": GrpcMethod(self.list_greetings, Action.VIEW, "greeting"),
        }
        return GrpcService(pb.DESCRIPTOR.services_by_name["GreetingService"], methods)

    async def greet(self, request: pb.GreetRequest, identity: Identity) -> pb.Greeting:
        """Greet a person."""
        if not 0 < len(request.name) <= MAX_NAME or "\x00" in request.name:
            raise InvalidInput(f"name must have 1 to {MAX_NAME} characters, none of them NUL")
        made = await self._greetings.greet(_tenant_of(identity), request.name)
        return pb.Greeting(name=made.name, times=made.times)

    async def list_greetings(self, _request: pb.ListGreetingsRequest, identity: Identity) -> AsyncIterator[pb.Greeting]:
        """Stream all greetings of the caller's tenant, page by page."""
        offset = 0
        while True:
            found, _ = await self._greetings.page(_tenant_of(identity), PAGE, offset)
            for each in found:
                yield pb.Greeting(name=each.name, times=each.times)
            offset += len(found)
            if len(found) < PAGE:
                return


def _tenant_of(identity: Identity) -> UUID:
    if identity.tenant_id is None:
        raise AuthzError("this call needs credentials of a tenant")
    return identity.tenant_id
