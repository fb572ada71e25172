"""Turns a ``GrpcService`` value into handlers: who calls, may they, then the method, then its errors.

There is no other way onto the server, so no method can be open by mistake.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

import grpc
from google.protobuf import message_factory
from google.protobuf.message import DecodeError, Message

from core.auth import AuthRequest, AuthzContext, Identity, Protocol
from core.endpoints import GrpcMethod, GrpcService
from core.errors import FlovynError, InvalidInput
from server.auth.stack import AuthStack
from server.grpc_api.conversions import uuid_field
from server.grpc_api.error_mapping import status_of
from server.observability.request_id import REQUEST_ID, new_request_id

_log = logging.getLogger(__name__)

Handler = Callable[[Message, Any], Awaitable[Message]]


class InFlight:
    """Counts the calls that are being served; ``idle`` is set while there are none."""

    def __init__(self) -> None:
        """Start at none."""
        self._calls = 0
        self._returns: set[asyncio.Task[None]] = set()
        self.idle = asyncio.Event()
        self.idle.set()

    def count(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        """Count a call until it has ended, its answer sent: the handler's return is too early."""
        self._calls += 1
        self.idle.clear()
        ended: Any = self._ended  # the stubs want a class, the library takes any callable
        context.add_done_callback(ended)

    def watch(
        self,
        context: grpc.aio.ServicerContext[Any, Any],
        undelivered: Callable[[Message], Awaitable[None]],
        response: Message,
    ) -> None:
        """Take the answer back if the call turns out to have ended before the answer could be sent."""

        def ended(_context: Any) -> None:
            if context.cancelled():
                task = asyncio.create_task(_taken_back(undelivered, response))
                self._returns.add(task)
                task.add_done_callback(self._returns.discard)

        done: Any = ended
        context.add_done_callback(done)

    def _ended(self, _context: Any) -> None:
        self._calls -= 1
        if not self._calls:
            self.idle.set()


async def _taken_back(undelivered: Callable[[Message], Awaitable[None]], response: Message) -> None:
    try:
        await undelivered(response)
    except FlovynError as error:
        _log.warning("an answer that nobody waited for could not be taken back: %s", error)


def guarded(service: GrpcService, auth: AuthStack, in_flight: InFlight) -> grpc.GenericRpcHandler:
    """Return the service's handlers, each behind authentication and authorization."""
    name = service.descriptor.full_name
    handlers = {
        method: _handler(f"/{name}/{method}", service.descriptor.methods_by_name[method], offered, auth, in_flight)
        for method, offered in service.methods.items()
    }
    return grpc.method_handlers_generic_handler(name, handlers)


def _handler(
    path: str, descriptor: Any, method: GrpcMethod, auth: AuthStack, in_flight: InFlight
) -> grpc.RpcMethodHandler[Any, Any]:
    request_class = message_factory.GetMessageClass(descriptor.input_type)

    async def behaviour(data: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> Message:
        in_flight.count(context)
        try:
            identity = await _authenticate(path, auth, context)
            request = _parse(request_class, data)
            tenant_id = _named_tenant(request) or identity.tenant_id
            await auth.authorize(AuthzContext(identity, method.action, method.resource, tenant_id))
            response: Message = await method.handler(request, identity)
        except FlovynError as error:
            status, text = status_of(error), str(error)
            if status is grpc.StatusCode.INTERNAL:
                status, text = _internal(path, error)
        except Exception as error:  # noqa: BLE001 - logged whole, answered without its text
            status, text = _internal(path, error)
        else:
            if method.undelivered is not None:
                in_flight.watch(context, method.undelivered, response)
            return response
        return await context.abort(status, text)

    return grpc.unary_unary_rpc_method_handler(
        behaviour,
        request_deserializer=None,  # parsed behind the authentication: strangers cannot make the parser fail
        response_serializer=message_factory.GetMessageClass(descriptor.output_type).SerializeToString,
    )


async def _authenticate(path: str, auth: AuthStack, context: grpc.aio.ServicerContext[Any, Any]) -> Identity:
    headers = _headers(context.invocation_metadata() or ())
    REQUEST_ID.set(new_request_id(headers.get("x-request-id")))
    return await auth.authenticate(AuthRequest(Protocol.GRPC, path, headers, context.peer()))


def _parse(request_class: type[Message], data: bytes) -> Message:
    try:
        return request_class.FromString(data)
    except DecodeError:
        raise InvalidInput(f"the request is not a valid {request_class.DESCRIPTOR.full_name}") from None


def _headers(metadata: Any) -> Mapping[str, str]:
    return {key: value if isinstance(value, str) else value.decode("latin-1") for key, value in metadata}


def _named_tenant(request: Message) -> UUID | None:
    """Return the tenant that the message names, if its type can name one and it does."""
    value = getattr(request, "tenant_id", None)
    if value is None:
        return None
    return uuid_field(value, "tenant_id")


def _internal(path: str, error: BaseException) -> tuple[grpc.StatusCode, str]:
    _log.error("the call %s failed unexpectedly", path, exc_info=error)
    return grpc.StatusCode.INTERNAL, f"internal error; the server's log has it under request id {REQUEST_ID.get()}"
