"""One gRPC call for the pipeline of admission: metadata, the connection, and the message, which is parsed late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, TypeAlias
from urllib.parse import unquote
from uuid import UUID

import grpc
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from core.auth import Action, AuthRequest, Identity, Protocol
from core.endpoints import GrpcMethod, Repeat, Scope
from core.errors import InvalidInput
from core.limits import MAX_PAYLOAD_BYTES
from core.pacing import SMALL_BYTES, paced
from server.admission.pipeline import ProtocolCall, tenant_of_call
from server.auth.stack import Checks
from server.engine.dispatch.connections import ConnectionActivity
from server.grpc_api.call_context import CONNECTION, DEADLINE
from server.grpc_api.conversions import uuid_field
from server.grpc_api.text_gate import check_message, check_metadata
from server.grpc_api.wire import (
    SerializedMessage,
    check_small_counts,
    message_error,
    parsed,
    parsed_in_turns,
    text_on_wire,
)
from server.observability.calls import CallEndpoint
from server.observability.request_id import REQUEST_ID, new_request_id

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


@dataclass(frozen=True, slots=True)
class ServedMethod:
    """A method with all that is the same for each of its calls.

    Attributes:
        endpoint: the method for observers and the authorizer.
        checks: the checks of its calls; its path has one spelling and names no tenant.
        method: the handler and what its service says of it.
        request_class: class of the request message.
        response_class: class of the response message.
        resource_field: path of the field that names the resource.
        tenant_field: number and name of the request's field that names the tenant of the call; None where it has none.
    """

    endpoint: CallEndpoint
    checks: Checks
    method: GrpcMethod
    request_class: type[Message]
    response_class: type[Message]
    resource_field: tuple[str, ...]
    tenant_field: tuple[int, str] | None

    @classmethod
    def of(
        cls, path: str, checks: Checks, method: GrpcMethod, request_class: type[Message], response_class: type[Message]
    ) -> ServedMethod:
        """Return the method that is served at a path such as ``/flovyn.v1.TaskExecution/PollTask``."""
        endpoint = CallEndpoint(Protocol.GRPC, path, method.action, method.resource, method.repeated is Repeat.READS)
        resource_field = method.resource_id or f"{method.resource.replace('-', '_')}_id"
        tenant_field = None if method.scope is Scope.SERVER else _tenant_field(request_class)
        place = tuple(resource_field.split("."))
        return cls(endpoint, checks, method, request_class, response_class, place, tenant_field)

    def resource_id(self, message: Message | SerializedMessage) -> str | None:
        """Return the id of the resource that a message names, where it names one."""
        value: Any = message
        for name in self.resource_field:
            value = getattr(value, name, None)
        return value if isinstance(value, str) and value else None


class GrpcCall(ProtocolCall):
    """A call without a message: it concerns its caller's tenant. Calls with a message are ``MessageCall``."""

    __slots__ = ("_checks", "_connection", "_connections", "_metadata", "headers")

    def __init__(
        self, endpoint: CallEndpoint, checks: Checks, context: Context, connections: ConnectionActivity
    ) -> None:
        connection = context.peer()
        super().__init__(endpoint, address_of(connection))
        self._checks = checks
        self._connection = connection
        self._connections = connections
        self._metadata: Any = context.invocation_metadata() or ()
        self.headers = _headers(self._metadata)
        CONNECTION.set(connection)
        REQUEST_ID.set(new_request_id(self.headers.get("x-request-id")))
        remaining = context.time_remaining()
        DEADLINE.set(None if remaining is None else asyncio.get_running_loop().time() + remaining)

    @property
    def connection(self) -> str:
        """The connection, such as ``ipv4:10.0.0.1:5000``."""
        return self._connection

    @property
    def size(self) -> int:
        """Bytes of the message."""
        return 0

    @property
    def headers_of_trace(self) -> Mapping[str, str]:
        """The metadata."""
        return self.headers

    def head(self) -> AuthRequest:
        """Check the texts of the metadata."""
        check_metadata(self.headers)
        self.credentials = sum(key == "authorization" for key, _ in self._metadata)
        return AuthRequest(Protocol.GRPC, self.endpoint.operation, self.headers, self.peer)

    async def authenticate(self, request: AuthRequest) -> tuple[Checks, Identity]:
        """Authenticate by the checks of the method."""
        identity = await self._checks.authenticate(request)
        self._connections.called(self._connection)
        return self._checks, identity

    async def find_tenant(self) -> UUID | None:
        """Return the caller's tenant."""
        return self.identity.tenant_id

    async def validate(self) -> None:
        """Accept the call: it has nothing more to check."""


class MessageCall(GrpcCall):
    """A call with a message. Only the tenant in the message is read before the caller is authorized.

    Attributes:
        request: the message; known after ``validate``.
    """

    __slots__ = ("_data", "_max_commands", "_served", "_tenant_text", "request")

    def __init__(
        self, served: ServedMethod, data: bytes, context: Context, connections: ConnectionActivity, max_commands: int
    ) -> None:
        super().__init__(served.endpoint, served.checks, context, connections)
        self._served = served
        self._data = data
        self._max_commands = max_commands
        self._tenant_text: str | None = None
        self.request: Any = None

    @property
    def size(self) -> int:
        """Bytes of the message."""
        return len(self._data)

    @property
    def parks(self) -> bool:
        """Whether the call polls for work."""
        return self.endpoint.action is Action.POLL

    async def find_tenant(self) -> UUID | None:
        """Return the tenant that the message names, or else the caller's; see ``tenant_of_call``.

        A message that cannot be parsed names no tenant. ``validate`` refuses it, because an error about the content
        of a message is for callers who may make the call.

        Raises:
            InvalidInput: the text of ``tenant_id`` is no UUID.
            AuthzError: as ``tenant_of_call``.
        """
        served = self._served
        named = None
        if served.tenant_field is not None:
            self._tenant_text = await self._read_tenant(*served.tenant_field)
            named = None if self._tenant_text is None else _tenant_id(self._tenant_text, served.tenant_field[1])
        return tenant_of_call(served.method.scope, named, self.identity)

    async def validate(self) -> None:
        """Parse the message and check its counts and texts, a large one in turns (``core.pacing``).

        Raises:
            InvalidInput: it is malformed, has too many entries, or holds a text that cannot be stored.
        """
        served, data = self._served, self._data
        request_class = served.request_class
        if len(data) <= SMALL_BYTES:  # most calls: no coroutine for them
            if self.request is None:
                self.request = parsed(request_class, data)
            check_small_counts(self.request, len(data), self._max_commands)
            check_message(data, self.request, served.method.free_texts)
        else:
            self.request = await _parsed_large(served, data, self._max_commands)
        if served.tenant_field is not None and getattr(self.request, served.tenant_field[1]) != self._tenant_text:
            raise message_error(request_class)  # the authorizer has decided about another tenant
        self.resource_id = served.resource_id(self.request)

    def drop(self) -> None:
        """Drop the message: the library keeps the frames of a failed call until garbage is collected."""
        self._data = b""
        self.request = None

    async def _read_tenant(self, number: int, name: str) -> str | None:
        """Return the text of the field for the tenant; None where the message cannot be parsed."""
        data = self._data
        if len(data) > SMALL_BYTES:
            return await paced(len(data), partial(text_on_wire, data, number))
        try:
            self.request = parsed(self._served.request_class, data)
        except InvalidInput:
            return None
        return str(getattr(self.request, name))


class StreamedCall(GrpcCall):
    """A call that streams its request: it is admitted before its first message is read, for its caller's tenant.

    Each message is checked as that of any other call. ``idle`` is the time that the client may take for one message, in
    seconds.
    """

    __slots__ = ("_idle", "_max_commands", "_served")

    def __init__(
        self, served: ServedMethod, context: Context, connections: ConnectionActivity, max_commands: int, idle: float
    ) -> None:
        super().__init__(served.endpoint, served.checks, context, connections)
        self._served = served
        self._max_commands = max_commands
        self._idle = idle

    @property
    def takes_turns(self) -> bool:
        """Return False: a worker may stream for as long as its task runs."""
        return False

    async def find_tenant(self) -> UUID | None:
        """Return the caller's tenant.

        Raises:
            AuthzError: the caller has none, and the method concerns one.
        """
        return tenant_of_call(self._served.method.scope, None, self.identity)

    async def messages(self, sent: AsyncIterator[bytes], count: Callable[[int], None]) -> AsyncIterator[Message]:
        """Yield the messages of the request.

        ``count`` counts bytes under way, up to the size of a payload: no handler keeps more of a stream.

        Raises:
            InvalidInput: a message is malformed, or the client does not send the next one in time.
            LimitExceeded: see ``CallSlot.grow``.
        """
        served, counted = self._served, 0
        while True:
            try:
                async with asyncio.timeout(self._idle):
                    data = await anext(sent)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise InvalidInput(f"the next message of the stream did not come within {self._idle:g} s") from None
            more = min(len(data), MAX_PAYLOAD_BYTES - counted)
            count(more)
            counted += more
            if len(data) > SMALL_BYTES:
                message = await _parsed_large(served, data, self._max_commands)
            else:
                message = parsed(served.request_class, data)
                check_small_counts(message, len(data), self._max_commands)
                check_message(data, message, served.method.free_texts)
            if self.resource_id is None:
                self.resource_id = served.resource_id(message)
            yield message


async def _parsed_large(served: ServedMethod, data: bytes, max_commands: int) -> Message:
    """Return a large message, parsed and checked in turns."""
    message = await parsed_in_turns(served.request_class, data, max_commands)
    await paced(len(data), partial(check_message, data, message, served.method.free_texts))
    return message


@lru_cache(maxsize=1024)
def _tenant_id(text: str, field: str) -> UUID:
    """Return the tenant of a text; kept for some tenants, because each call names one."""
    return uuid_field(text, field)


TENANT_FIELDS = ("tenant_id", "org_id")
"""The names of the field that names the tenant; newer clients call a tenant ``org``."""


def _tenant_field(request_class: type[Message]) -> tuple[int, str] | None:
    """Return number and name of the field that names the tenant of a call; None where a message has no such field."""
    for name in TENANT_FIELDS:
        field = request_class.DESCRIPTOR.fields_by_name.get(name)
        if field is not None and field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated:
            return field.number, name
    return None


@lru_cache(maxsize=4096)
def address_of(connection: str) -> str:
    """Return the address, without the port, of a connection: ``ipv4:127.0.0.1:5000`` or ``ipv6:%5B::1%5D:5000``."""
    _, _, address = unquote(connection).partition(":")
    return address.rpartition(":")[0].strip("[]") or address


def _headers(metadata: Any) -> Mapping[str, str]:
    return {key: value if isinstance(value, str) else value.decode("latin-1") for key, value in metadata}
