"""The guard of gRPC: it turns a ``GrpcService`` into handlers that admit each call (``server.admission``) and run it.

Every method is served through a guard, so no method can be open by mistake.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextvars import copy_context
from functools import partial
from operator import methodcaller
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.message import Message

from core.auth import Action, Protocol
from core.calls import OK
from core.endpoints import GrpcMethod, GrpcService
from core.errors import FlovynError, TooLarge
from core.limits import MAX_PAYLOAD_BYTES, MAX_REPEATED
from server.admission.error_answers import answer_to
from server.admission.pipeline import Admission, AdmittedCall
from server.engine.dispatch.connections import ConnectionActivity
from server.engine.repeats import HEADER, REPLAYED, Answer, Repeats, SentCall, checked_key
from server.grpc_api.call import Context, GrpcCall, MessageCall, ServedMethod, StreamedCall
from server.grpc_api.wire import SerializedMessage
from server.observability.calls import CallEndpoint

_log = logging.getLogger(__name__)

Response = Message | SerializedMessage

MAX_KEYED_BYTES, MAX_KEYED_MESSAGES = 2 * MAX_PAYLOAD_BYTES, MAX_REPEATED
"""The largest streamed request that an idempotency key can have, in bytes and in messages."""


class InFlight:
    """Counts the calls that are being served; ``idle`` is set while there are none."""

    def __init__(self) -> None:
        self._calls = 0
        self._releases: set[asyncio.Task[None]] = set()
        self.idle = asyncio.Event()
        self.idle.set()

    def count(self, context: Context) -> None:
        """Count a call until its answer is sent: the return of the handler is too early."""
        self._calls += 1
        self.idle.clear()
        ended: Any = self._ended  # the stubs want a class, the library takes any callable
        context.add_done_callback(ended)

    def watch(self, context: Context, undelivered: Callable[[], Awaitable[None]]) -> None:
        """Await ``undelivered`` if the call turns out to have ended before its answer could be sent.

        It runs with the context variables of the caller of this method: the handler has set the claimed work there.
        """
        variables = copy_context()

        def ended(_context: Any) -> None:
            if not context.done():  # its status was never sent
                task = asyncio.create_task(_released(undelivered), context=variables)
                self._releases.add(task)
                task.add_done_callback(self._releases.discard)

        done: Any = ended
        context.add_done_callback(done)

    def _ended(self, _context: Any) -> None:
        self._calls -= 1
        if not self._calls:
            self.idle.set()


async def _released(undelivered: Callable[[], Awaitable[None]]) -> None:
    try:
        await undelivered()
    except FlovynError as error:
        _log.warning("the work of an undelivered answer could not be released: %s", error)


class GrpcGuard:
    """The guard of all methods of a process."""

    def __init__(self, admission: Admission, repeats: Repeats, connections: ConnectionActivity) -> None:
        self._admission = admission
        self._repeats = repeats
        self._connections = connections
        self._max_commands = admission.caps.limits.commands
        self.meter = admission.meter
        self.in_flight = InFlight()

    def handlers(self, service: GrpcService) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
        """Return the guarded handlers of a service by the names of its methods."""
        name = service.descriptor.full_name
        descriptors = service.descriptor.methods_by_name
        return {
            method: self._handler(f"/{name}/{method}", descriptors[method], offered)
            for method, offered in service.methods.items()
        }

    def reflection(self, path: str, resource: str, context: Context) -> AdmittedCall:
        """Return the admission of a call that a library serves, which is one that views."""
        endpoint = CallEndpoint(Protocol.GRPC, path, Action.VIEW, resource)
        checks = self._admission.auth.of(path)
        return self._admission.admit(GrpcCall(endpoint, checks, context, self._connections))

    def _handler(self, path: str, descriptor: Any, method: GrpcMethod) -> grpc.RpcMethodHandler[Any, Any]:
        request_class = message_factory.GetMessageClass(descriptor.input_type)
        response_class = message_factory.GetMessageClass(descriptor.output_type)
        served = ServedMethod.of(path, self._admission.auth.of(path), method, request_class, response_class)
        codecs: dict[str, Any] = {
            "request_deserializer": None,  # admission parses: an unknown caller must not cause parsing
            "response_serializer": methodcaller("SerializeToString"),
        }
        if descriptor.client_streaming:
            return grpc.stream_unary_rpc_method_handler(partial(self._streamed, served), **codecs)
        if descriptor.server_streaming:
            return grpc.unary_stream_rpc_method_handler(partial(self._stream, served), **codecs)
        return grpc.unary_unary_rpc_method_handler(partial(self._unary, served), **codecs)

    async def _unary(self, served: ServedMethod, data: bytes, context: Context) -> Response:
        self.in_flight.count(context)
        call = MessageCall(served, data, context, self._connections, self._max_commands)
        del data
        try:
            async with self._admission.admit(call) as admitted:
                response = await self._response(served, call, context)
                call.answer_size = response.ByteSize
                undelivered = served.method.undelivered
                if undelivered is not None:  # before the next await: the caller may go at any moment
                    self.in_flight.watch(context, partial(undelivered, response, call.identity))
                if admitted.is_observed:
                    admitted.end_with(OK, served.resource_id(response), empty=not response.ListFields())
        except BaseException as error:
            call.drop()
            await abort(context, served.endpoint.operation, error)
            raise  # ``abort`` ends the call
        return response

    async def _streamed(self, served: ServedMethod, sent: AsyncIterator[bytes], context: Context) -> Response:
        self.in_flight.count(context)
        limits = self._admission.caps.limits
        call = StreamedCall(served, context, self._connections, self._max_commands, limits.body_timeout)
        try:
            async with self._admission.admit(call) as admitted:
                response = await self._streamed_response(served, call, call.messages(sent, admitted.grow), context)
                call.answer_size = response.ByteSize
                if admitted.is_observed:
                    admitted.end_with(OK, served.resource_id(response), empty=not response.ListFields())
        except BaseException as error:
            await abort(context, served.endpoint.operation, error)
            raise  # ``abort`` ends the call
        return response

    async def _stream(self, served: ServedMethod, data: bytes, context: Context) -> AsyncIterator[Response]:
        self.in_flight.count(context)
        call = MessageCall(served, data, context, self._connections, self._max_commands)
        del data
        problem: BaseException | None = None
        try:
            async with self._admission.admit(call, streams=True):
                handler: Any = served.method.handler
                async for response in handler(call.request, call.identity):
                    yield _checked_response(served, response)
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - answered, or raised again, by ``abort``
            call.drop()
            problem = error
        if problem is not None:
            await abort(context, served.endpoint.operation, problem)

    async def _response(self, served: ServedMethod, call: MessageCall, context: Context) -> Response:
        """Return the handler's response, or the stored one of an earlier call with the same idempotency key."""
        handler: Any = served.method.handler
        key = call.headers.get(HEADER) if served.method.repeated.takes_key else None
        if key is None:
            return _checked_response(served, await handler(call.request, call.identity))
        # one message has many encodings where it holds a map, and libraries differ
        content = call.request.SerializeToString(deterministic=True)
        sent = _sent(served, call, key, content)
        return await self._once(served, call, sent, lambda: handler(call.request, call.identity), context)

    async def _streamed_response(
        self, served: ServedMethod, call: StreamedCall, messages: AsyncIterator[Message], context: Context
    ) -> Response:
        """Return the same for a streamed request, which is read to its end first if it has an idempotency key."""
        handler: Any = served.method.handler
        key = call.headers.get(HEADER) if served.method.repeated.takes_key else None
        if key is None:
            return _checked_response(served, await handler(messages, call.identity))
        read: list[Message] = []
        parts: list[bytes] = []
        async for message in messages:
            read.append(message)
            parts.append(message.SerializeToString(deterministic=True))
            if sum(map(len, parts)) > MAX_KEYED_BYTES or len(read) > MAX_KEYED_MESSAGES:
                raise TooLarge("the streamed request is too large for an idempotency key; send it without one")
        content = b"".join(len(part).to_bytes(4) + part for part in parts)
        sent = _sent(served, call, key, content)
        return await self._once(served, call, sent, lambda: handler(_stream_of(read), call.identity), context)

    async def _once(
        self,
        served: ServedMethod,
        call: GrpcCall,
        sent: SentCall,
        handle: Callable[[], Awaitable[Response]],
        context: Context,
    ) -> Response:
        """Return the handler's response, or the stored one of the same call with the same key."""

        async def carry_out() -> Answer:
            response = _checked_response(served, await handle())
            return Answer(response.SerializeToString(), call.resource_id or served.resource_id(response))

        answer = await self._repeats.once(sent, carry_out, secret=served.method.secret_answer)
        if answer.replayed:
            context.set_trailing_metadata(((REPLAYED, "true"),))
        return served.response_class.FromString(answer.content)


def _sent(served: ServedMethod, call: GrpcCall, key: str, content: bytes) -> SentCall:
    return SentCall(call.tenant_id, call.identity, served.endpoint.operation, checked_key(key), content)


async def _stream_of(messages: Sequence[Message]) -> AsyncIterator[Message]:
    for message in messages:
        yield message


async def abort(context: Context, operation: str, error: BaseException) -> None:
    """End the call with the status of the error (``server.admission.error_answers``)."""
    if not isinstance(error, Exception):
        raise error
    answer = answer_to(error, operation)
    status = grpc.StatusCode[answer.grpc]
    if status is not grpc.StatusCode.INTERNAL:
        error.__traceback__ = error.__context__ = None  # their frames hold the request, which may be large
    await context.abort(status, answer.text)


def _checked_response(served: ServedMethod, response: Response) -> Response:
    """Return the handler's response if it is a message of the declared type."""
    message_class = response.message_class if isinstance(response, SerializedMessage) else type(response)
    if message_class is not served.response_class:
        expected = served.response_class.DESCRIPTOR.full_name
        raise TypeError(
            f"the handler of {served.endpoint.operation} returned {type(response).__name__}; {expected} is expected"
        )
    return response
