"""REST routes and gRPC services as plain values, the same for the core and for plugins.

A route or method always names the action and the resource that the authorizer is asked about:
an endpoint without a guard cannot be declared.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, Field

from core.auth import Action, Identity

Text = Annotated[str, Field(min_length=1)]
Success = Annotated[int, Field(ge=200, lt=300)]

RestHandler = Callable[..., Awaitable[None]]
"""``async def handler(request, response, **path_parameters)`` with falcon's ASGI request and response.

The server has put into ``request.context``: ``identity``, the caller; ``tenant_id``, the tenant that the request
concerns; ``body`` and ``query``, the validated body and query string of a route that has models for them."""

JSON = "application/json"

REST_PREFIX = "/api/v1/p/"
"""Plugins' routes live below this and their name."""

ALIAS_PREFIXES = ("/api/tenants/{slug}/", "/api/orgs/{slug}/", "/api/v1/tenants/{slug}/")
"""Where an alias for older clients may lie."""


class Scope(Enum):
    """The owner of the data that an endpoint concerns.

    TENANT: one tenant; callers without a tenant are refused. SERVER: the server as a whole; only operators pass.
    ANYBODY: every authenticated caller.
    """

    TENANT = "tenant"
    SERVER = "server"
    ANYBODY = "anybody"


LONGEST_KEY = 255
"""Characters of an idempotency key at most."""


class Repeat(StrEnum):
    """The effect of a call that is sent again, because its answer was lost or its sender was not sure.

    READS: it changes nothing. SAME: what it says identifies it; sent again, at once or later, it changes nothing more.
    LAST: it overwrites; sent again at once it changes nothing more, sent again later it also overwrites what others
    wrote in between. COUNTS: each time counts. POLLS: it asks for work, and gets other work each time.

    A call of LAST or COUNTS takes an idempotency key, with which it is carried out once: the server stores its answer
    in the transaction of what it does, and gives it again to the same caller who sends the same call with that key.
    """

    READS = "reads"
    SAME = "same"
    LAST = "last"
    COUNTS = "counts"
    POLLS = "polls"

    @property
    def takes_key(self) -> bool:
        """Whether an idempotency key makes a difference."""
        return self in {Repeat.LAST, Repeat.COUNTS}


_BY_METHOD = {"GET": Repeat.READS, "DELETE": Repeat.SAME, "PUT": Repeat.LAST}
_BY_ACTION = {Action.VIEW: Repeat.READS, Action.POLL: Repeat.POLLS, Action.HEARTBEAT: Repeat.SAME}


@dataclass(frozen=True, slots=True)
class RestRoute:
    """One REST endpoint.

    Attributes:
        method: ``GET``, ``POST``, ``PUT``, ``PATCH`` or ``DELETE``.
        path: relative to the plugin's place for a plugin (``/tokens/{id}`` is served at
            ``/api/v1/p/<plugin>/tokens/{id}``); absolute for the core. Parameters are written ``{id}``.
            A core path's ``{slug}`` is a tenant's slug or UUID, resolved before the handler runs.
        handler: see ``RestHandler``.
        action: what the caller does, for the authorizer.
        resource: to what kind of thing.
        summary: one line for people.
        request_model: model of the JSON body; a body that does not fit is answered with 400.
        query_model: model of the query string; unknown or wrong parameters are answered with 400.
        response_model: model of the JSON answer, for the OpenAPI document.
        status: HTTP status of a success; set before the handler runs.
        more_statuses: those of other successes, which the handler sets itself.
        produces: media types of a success; more than JSON for streams and exports.
        resource_id: the path parameter, or else the member of the answer, that says which thing the call was about.
        scope: whose the route is.
        aliases: further absolute paths with the same handler, for older clients; a plugin's must lie below
            ``/api/tenants/{slug}/``, ``/api/orgs/{slug}/`` or ``/api/v1/tenants/{slug}/``, and the edition's
            manifest lists them.
        tag: heading in the OpenAPI document; a plugin's routes stand under the plugin's.
        repeat: what happens when the call is sent again, see ``Repeat``; by default, GET reads, DELETE is the same each
            time, PUT overwrites, and POST and PATCH count.
        secret_answer: the answer holds a secret that is shown once. It is never stored: sent again with an idempotency
            key, the call is refused with a text that names what it made.
        is_open: everybody may call the route, without credentials; its scope is ``ANYBODY`` and it has no aliases. The
            handler gets the anonymous caller. ``plugins --json`` and the manifest of an edition list such routes.
    """

    method: Annotated[str, Field(pattern="^(DELETE|GET|PATCH|POST|PUT)$")]
    path: Text
    handler: RestHandler
    action: Action
    resource: Text
    summary: Text
    request_model: type[BaseModel] | None = None
    query_model: type[BaseModel] | None = None
    response_model: type[BaseModel] | None = None
    status: Success = 200
    more_statuses: tuple[Success, ...] = ()
    produces: tuple[Text, ...] = (JSON,)
    resource_id: Text = "id"
    scope: Scope = Scope.TENANT
    aliases: tuple[Text, ...] = ()
    tag: str = ""
    repeat: Repeat | None = None
    secret_answer: bool = False
    is_open: bool = False

    @property
    def repeated(self) -> Repeat:
        """The effect of the call when it is sent again."""
        return self.repeat or _BY_METHOD.get(self.method, Repeat.COUNTS)


GrpcHandler = Callable[[Any, Identity], Awaitable[Any]] | Callable[[Any, Identity], AsyncIterator[Any]]
"""``async def handler(request_message, identity) -> response_message``; for a method that streams its answer, an async
generator of response messages; for a method that streams its request, an async iterator of request messages takes the
place of the message. Errors are ``FlovynError``s."""


@dataclass(frozen=True, slots=True)
class GrpcMethod:
    """One gRPC method: its handler and what the authorizer is asked about.

    Whether the request or the answer is a stream is what the service's descriptor says; both at once are not offered. A
    streamed request names no tenant: the call concerns the caller's tenant, and is admitted before its first message is
    read.

    Attributes:
        handler: see ``GrpcHandler``.
        action: what the caller does.
        resource: to what kind of thing.
        undelivered: gets an answer that its caller, also given, did not wait for, where it must be taken back.
        resource_id: the field of the request, or else of the answer, that says which thing the call was about; a dot
            leads into a message. Without it, the field that is named after the resource (``task_execution_id``).
        free_texts: the names of fields, anywhere in the request, whose texts may hold anything, such as an error
            message: the handler makes them storable (``core.fields.free_text``). A NUL character in the text
            of any other field is refused before the handler runs.
        scope: whose the method is, as for ``RestRoute``; the tenant is the one that the request names in ``tenant_id``
            or ``org_id``, or else the caller's.
        repeat: what happens when the call is sent again, see ``Repeat``; by default, what views reads, what polls or
            heartbeats is as its name says, and everything else counts. A key is sent as ``idempotency-key`` metadata.
        secret_answer: as for ``RestRoute``.
    """

    handler: GrpcHandler
    action: Action
    resource: Text
    undelivered: Callable[[Any, Identity], Awaitable[None]] | None = None
    resource_id: str = ""
    free_texts: tuple[str, ...] = ()
    scope: Scope = Scope.TENANT
    repeat: Repeat | None = None
    secret_answer: bool = False

    @property
    def repeated(self) -> Repeat:
        """The effect of the call when it is sent again."""
        return self.repeat or _BY_ACTION.get(self.action, Repeat.COUNTS)


@dataclass(frozen=True, slots=True)
class GrpcService:
    """A gRPC service.

    Attributes:
        descriptor: the service's descriptor in the generated module
            (``token_pb2.DESCRIPTOR.services_by_name["TokenService"]``).
        methods: the methods on offer by name; others of the descriptor answer UNIMPLEMENTED.
    """

    descriptor: Any
    methods: Mapping[str, GrpcMethod]
