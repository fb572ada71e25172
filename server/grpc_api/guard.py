"""Turns a ``GrpcService`` value into handlers: who calls, may they, then the method, then its errors.

There is no other way onto the server, so no method can be open by mistake.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias
from urllib.parse import unquote
from uuid import UUID

import grpc
from google.protobuf import message_factory
from google.protobuf.message import Message

from core.auth import Action, AuthRequest, AuthzContext, Identity, Protocol
from core.calls import OK
from core.endpoints import GrpcMethod, GrpcService, Repeat, Scope
from core.errors import AuthError, AuthzError, FlovynError, LimitExceeded
from core.limits import MAX_DETAILS_BYTES, shortened
from core.pacing import SMALL_BYTES, paced
from server.admission import Admission, Entry
from server.auth.stack import AuthStack, Checks, require_one_credential
from server.engine.dispatch.connections import Connections
from server.engine.repeats import HEADER, REPLAYED, Answer, Repeats, SentCall, checked_key
from server.grpc_api.call_context import CONNECTION, DEADLINE
from server.grpc_api.conversions import uuid_field
from server.grpc_api.error_mapping import status_of
from server.grpc_api.text_gate import check_message, check_metadata
from server.grpc_api.wire import parsed, parsed_in_turns
from server.observability.calls import CallObservers, Endpoint, WatchedCall, code_of
from server.observability.request_id import REQUEST_ID, new_request_id

_log = logging.getLogger(__name__)

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class InFlight:
    """Counts the calls that are being served; ``idle`` is set while there are none."""

    def __init__(self) -> None:
        """Start at none."""
        self._calls = 0
        self._returns: set[asyncio.Task[None]] = set()
        self.idle = asyncio.Event()
        self.idle.set()

    def count(self, context: Context) -> None:
        """Count a call until it has ended, its answer sent: the handler's return is too early."""
        self._calls += 1
        self.idle.clear()
        ended: Any = self._ended  # the stubs want a class, the library takes any callable
        context.add_done_callback(ended)

    def watch(self, context: Context, undelivered: Callable[[], Awaitable[None]]) -> None:
        """Take the answer back if the call turns out to have ended before the answer could be sent.

        ``undelivered`` runs in the context of the caller of this method: the handler has left in it what it answers.
        """
        variables = copy_context()

        def ended(_context: Any) -> None:
            if not context.done():  # its status was never sent
                task = asyncio.create_task(_taken_back(undelivered), context=variables)
                self._returns.add(task)
                task.add_done_callback(self._returns.discard)

        done: Any = ended
        context.add_done_callback(done)

    def _ended(self, _context: Any) -> None:
        self._calls -= 1
        if not self._calls:
            self.idle.set()


async def _taken_back(undelivered: Callable[[], Awaitable[None]]) -> None:
    try:
        await undelivered()
    except FlovynError as error:
        _log.warning("an answer that nobody waited for could not be taken back: %s", error)


class Guard:
    """What stands before every method of a process."""

    def __init__(
        self,
        auth: AuthStack,
        observers: CallObservers,
        admission: Admission,
        repeats: Repeats,
        connections: Connections,
    ) -> None:
        self._connections = connections
        self._auth = auth
        self._observers = observers
        self._admission = admission
        self._repeats = repeats
        self.in_flight = InFlight()

    def handlers(self, service: GrpcService) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
        """Return the service's handlers by method, each behind authentication and authorization."""
        name = service.descriptor.full_name
        descriptors = service.descriptor.methods_by_name
        return {
            method: self._handler(f"/{name}/{method}", descriptors[method], offered)
            for method, offered in service.methods.items()
        }

    def _handler(self, path: str, descriptor: Any, method: GrpcMethod) -> grpc.RpcMethodHandler[Any, Any]:
        request_class = message_factory.GetMessageClass(descriptor.input_type)
        response_class = message_factory.GetMessageClass(descriptor.output_type)
        shown = Endpoint(Protocol.GRPC, path, method.action, method.resource, method.repeated is Repeat.READS)
        field = method.resource_id or f"{method.resource.replace('-', '_')}_id"
        endpoint = _Served(shown, path, method, request_class, response_class, tuple(field.split(".")))
        codecs: dict[str, Any] = {
            "request_deserializer": None,  # parsed behind the authentication: strangers cannot make the parser fail
            "response_serializer": response_class.SerializeToString,
        }
        if descriptor.server_streaming:
            return grpc.unary_stream_rpc_method_handler(partial(self._stream, endpoint), **codecs)
        return grpc.unary_unary_rpc_method_handler(partial(self._unary, endpoint), **codecs)

    async def _unary(self, endpoint: _Served, data: bytes, context: Context) -> Message:
        self.in_flight.count(context)
        peer = context.peer()
        watched = self._observers.watch(endpoint.shown, _source(peer))
        entry: Entry | None = None
        admitted: _Admitted | None = None
        try:
            entry = self._admission.call(peer, len(data), parks=endpoint.parks)
            admitted = await self._checked(endpoint, data, context, watched, entry)
            identity = admitted.identity
            if watched is not None:
                await watched.before()
            response = await self._carried_out(endpoint, admitted, context)
        except BaseException as error:
            data, admitted = b"", None  # the library keeps the error of ``abort``, with this frame, until a collection
            if watched is not None:
                await watched.after(code_of(error))
            await answer(context, endpoint.path, error)
            raise  # answering ends the call
        finally:
            if entry is not None:
                entry.leave()
        undelivered = endpoint.method.undelivered
        if undelivered is not None:  # before anything is waited for: the caller may go at any moment
            self.in_flight.watch(context, partial(undelivered, response, identity))
        if watched is not None:
            await watched.after(OK, _resource_id(endpoint, response), empty=not response.ListFields())
        return response

    async def _stream(self, endpoint: _Served, data: bytes, context: Context) -> AsyncIterator[Message]:
        self.in_flight.count(context)
        peer = context.peer()
        watched = self._observers.watch(endpoint.shown, _source(peer))
        entry: Entry | None = None
        problem: BaseException | None = None
        try:
            entry = self._admission.call(peer, len(data), parks=endpoint.parks)
            admitted = await self._checked(endpoint, data, context, watched, entry)
            if watched is not None:
                await watched.before()
            handler: Any = endpoint.method.handler
            async for response in handler(admitted.request, admitted.identity):
                yield _wanted(endpoint, response)
        except GeneratorExit as error:
            problem = error
            raise
        except BaseException as error:  # noqa: BLE001 - answered, or raised again, by answer
            problem = error
        finally:
            if entry is not None:
                entry.leave()
            if watched is not None:
                await watched.after(code_of(problem))
        if problem is not None:
            await answer(context, endpoint.path, problem)

    async def admit(self, path: str, action: Action, resource: str, context: Context) -> None:
        """Let a call pass that is served by a library: its caller must be known and allowed.

        Raises:
            AuthError: nobody knows the caller.
            AuthzError: the caller may not.
        """
        peer = context.peer()
        watched = self._observers.watch(Endpoint(Protocol.GRPC, path, action, resource), _source(peer))
        problem: BaseException | None = None
        try:
            checks, _, identity = await self._identified(path, context, peer)
            if watched is not None:
                watched.identity, watched.tenant_id = identity, identity.tenant_id
            await checks.authorize(AuthzContext(identity, action, resource, identity.tenant_id))
            if watched is not None:
                await watched.before()
        except BaseException as error:
            problem = error
            raise
        finally:
            if watched is not None:
                await watched.after(code_of(problem))

    async def _carried_out(self, endpoint: _Served, admitted: _Admitted, context: Context) -> Message:
        """Return the answer of a call: of the handler, or of the same call before, where it has an idempotency key."""
        handler: Any = endpoint.method.handler
        if admitted.key is None:
            return _wanted(endpoint, await handler(admitted.request, admitted.identity))

        async def carry_out() -> Answer:
            response = _wanted(endpoint, await handler(admitted.request, admitted.identity))
            named = _resource_id(endpoint, admitted.request) or _resource_id(endpoint, response)
            return Answer(response.SerializeToString(), named)

        # one message has many spellings where it holds a map, and libraries differ
        content = admitted.request.SerializeToString(deterministic=True)
        call = SentCall(admitted.tenant_id, admitted.identity, endpoint.path, checked_key(admitted.key), content)
        answer = await self._repeats.once(call, carry_out, secret=endpoint.method.secret_answer)
        if answer.replayed:
            context.set_trailing_metadata(((REPLAYED, "true"),))
        return endpoint.response_class.FromString(answer.content)

    async def _identified(self, path: str, context: Context, peer: str) -> tuple[Checks, AuthRequest, Identity]:
        """Return what a call to the path has to pass, what it was asked with, and who calls."""
        checks = self._auth.of(path)
        metadata = context.invocation_metadata() or ()
        asked = _auth_request(path, metadata, context, peer)
        try:
            require_one_credential(sum(key == "authorization" for key, _ in metadata))
            identity = await checks.authenticate(asked)
        except (AuthError, LimitExceeded) as error:
            raise self._auth.refusal(asked, path, error) from None
        self._connections.called(peer)
        return checks, asked, identity

    async def _checked(
        self, endpoint: _Served, data: bytes, context: Context, watched: WatchedCall | None, entry: Entry
    ) -> _Admitted:
        checks, asked, identity = await self._identified(endpoint.path, context, entry.connection)
        if watched is not None:
            watched.identity = identity
            watched.tenant_id = identity.tenant_id
        entry.of(identity)
        commands, free_texts = self._admission.limits.commands, endpoint.method.free_texts
        if len(data) <= SMALL_BYTES:  # most calls: no coroutine for them
            request = parsed(endpoint.request_class, data, commands)
            check_message(data, request, free_texts)
        else:
            request = await parsed_in_turns(endpoint.request_class, data, commands)
            await paced(len(data), partial(check_message, data, request, free_texts))
        if watched is not None:
            watched.resource_id = _resource_id(endpoint, request)
        method = endpoint.method
        tenant_id = None if method.scope is Scope.SERVER else _named_tenant(request) or identity.tenant_id
        if tenant_id is None and method.scope is Scope.TENANT:
            raise AuthzError("this call needs credentials of a tenant")
        await checks.authorize(AuthzContext(identity, method.action, method.resource, tenant_id))
        if watched is not None:
            watched.tenant_id = tenant_id
        key = asked.headers.get(HEADER) if method.repeated.takes_key else None
        return _Admitted(identity, request, tenant_id, key)


@dataclass(frozen=True, slots=True)
class _Served:
    shown: Endpoint
    path: str
    method: GrpcMethod
    request_class: type[Message]
    response_class: type[Message]
    resource_field: tuple[str, ...]

    @property
    def parks(self) -> bool:
        """Whether its calls wait for work, and are counted as polls."""
        return self.method.action is Action.POLL


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A call whose caller may make it, and its idempotency key, where one was sent and makes a difference."""

    identity: Identity
    request: Message
    tenant_id: UUID | None
    key: str | None


async def answer(context: Context, path: str, error: BaseException) -> None:
    """End the call with the error's status; what no caller can cause is logged whole and answered without its text."""
    if not isinstance(error, Exception):
        raise error
    if isinstance(error, FlovynError):
        status, text = status_of(error), str(error)
        if status is not grpc.StatusCode.INTERNAL:
            error.__traceback__ = error.__context__ = None  # their frames hold the request, which may be large
            await context.abort(status, shortened(text, MAX_DETAILS_BYTES))
    _log.error("the call %s failed unexpectedly", path, exc_info=error)
    text = f"internal error; the server's log has it under request id {REQUEST_ID.get()}"
    await context.abort(grpc.StatusCode.INTERNAL, text)


def _auth_request(path: str, metadata: Any, context: Context, peer: str) -> AuthRequest:
    CONNECTION.set(peer)
    remaining = context.time_remaining()
    DEADLINE.set(None if remaining is None else asyncio.get_running_loop().time() + remaining)
    headers = _headers(metadata)
    REQUEST_ID.set(new_request_id(headers.get("x-request-id")))
    check_metadata(headers)
    return AuthRequest(Protocol.GRPC, path, headers, _source(peer))


def _source(peer: str) -> str:
    """Return the caller's address without the port: of ``ipv4:127.0.0.1:5000`` or ``ipv6:%5B::1%5D:5000``."""
    _, _, address = unquote(peer).partition(":")
    return address.rpartition(":")[0].strip("[]") or address


def _wanted(endpoint: _Served, response: Message) -> Message:
    """Return the handler's answer when it is a message of the declared type."""
    if not isinstance(response, endpoint.response_class):
        wanted = endpoint.response_class.DESCRIPTOR.full_name
        raise TypeError(f"the handler of {endpoint.path} answered {type(response).__name__}; {wanted} is wanted")
    return response


def _resource_id(endpoint: _Served, message: Message) -> str | None:
    """Return the field that says what the call is about, where the message has it."""
    value: Any = message
    for name in endpoint.resource_field:
        value = getattr(value, name, None)
    return value if isinstance(value, str) and value else None


def _headers(metadata: Any) -> Mapping[str, str]:
    return {key: value if isinstance(value, str) else value.decode("latin-1") for key, value in metadata}


def _named_tenant(request: Message) -> UUID | None:
    """Return the tenant that the message names, if its type can name one and it does."""
    value = getattr(request, "tenant_id", None)
    if value is None:
        return None
    return uuid_field(value, "tenant_id")
