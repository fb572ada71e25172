"""The one order in which every call of both protocols is admitted. ``ARCHITECTURE.md`` gives the reasons for it.

1. Observe: the observation of the call begins, so that observers are told of every refusal as well.
2. Cap the connection: calls and bytes under way, before the caller is known.
3. Check the head: texts in headers or metadata that cannot be stored are refused.
4. Authenticate.
5. Cap the tenant of the caller, and wait for the tenant's turn; streams do not wait.
6. Find the tenant that the call concerns.
7. Authorize.
8. Validate the rest of the request.
9. Tell the observers that the handler is about to run. Then the handler runs.
10. Tell the observers how the call ended, then end its count in the caps.

A protocol brings a ``ProtocolCall``, which only translates: it reads its requests and writes its answers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from time import perf_counter
from types import TracebackType
from typing import Self
from uuid import UUID

from core import tracing
from core.auth import ANONYMOUS, AuthRequest, AuthzContext, Identity
from core.calls import OK
from core.endpoints import Scope
from core.errors import AuthError, AuthzError, LimitExceeded
from core.tracing import OpenSpan
from server.admission.call_caps import CallCaps, CallSlot
from server.auth.stack import AuthStack, Checks, require_one_credential
from server.observability.call_meter import CallMeter
from server.observability.call_spans import end_span
from server.observability.calls import PARKED_S, CallEndpoint, CallObservers, WatchedCall, code_of


class ProtocolCall(ABC):
    """One call in the terms of its protocol. The pipeline calls each method at most once, in this order."""

    __slots__ = (
        "answer_size",
        "credentials",
        "endpoint",
        "identity",
        "known_caller",
        "peer",
        "resource_id",
        "tenant_id",
    )

    def __init__(self, endpoint: CallEndpoint, peer: str) -> None:
        self.endpoint = endpoint
        self.peer = peer
        """The caller's network address without the port."""
        self.credentials = 0
        """How many credentials the request holds; known after ``head``."""
        self.resource_id: str | None = None
        """The resource that the request names; known after ``validate`` at the latest."""
        self.identity: Identity = ANONYMOUS
        """The caller; set by the pipeline after ``authenticate``."""
        self.known_caller: Identity | None = None
        """A caller that ``authenticate`` knows although it refuses the call, for the observers."""
        self.tenant_id: UUID | None = None
        """The tenant that the call concerns; set by the pipeline after ``find_tenant``."""
        self.answer_size: Callable[[], int] | None = None
        """Returns the bytes of the answer, asked only for a line that is written; None for an error or a stream."""

    @property
    @abstractmethod
    def connection(self) -> Hashable:
        """The connection, for the caps."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Bytes of the request."""

    @property
    @abstractmethod
    def headers_of_trace(self) -> Mapping[str, str]:
        """The headers or metadata by lower-case names, unchecked."""

    @property
    def parks(self) -> bool:
        """Whether the call is a poll, which has a cap of its own."""
        return False

    @property
    def takes_turns(self) -> bool:
        """Whether the call waits while its tenant has many; one that lasts as long as its client wants does not."""
        return not self.parks

    @abstractmethod
    def head(self) -> AuthRequest:
        """Check the texts of the request's head; return the facts that authenticators may see.

        Raises:
            InvalidInput: a text cannot be stored.
        """

    @abstractmethod
    async def authenticate(self, request: AuthRequest) -> tuple[Checks, Identity]:
        """Return the caller, and the checks that belong to this call.

        Raises:
            AuthError: no authenticator knows the credentials, one refuses them, or one fails.
        """

    @abstractmethod
    async def find_tenant(self) -> UUID | None:
        """Return the tenant that the call concerns; see ``tenant_of_call``."""

    @abstractmethod
    async def validate(self) -> None:
        """Read and check the rest of the request.

        Raises:
            InvalidInput: it is malformed.
            TooLarge: it is too large.
        """

    def code_of(self, error: BaseException) -> str:
        """Return the code that observers are told for an error."""
        return code_of(error)


def tenant_of_call(scope: Scope, named: UUID | None, identity: Identity) -> UUID | None:
    """Return the tenant of a call: the one that the request names, or else the caller's own.

    Raises:
        AuthzError: the endpoint belongs to a tenant, and neither the request nor the credentials name one.
    """
    if scope is Scope.SERVER:
        return None
    tenant_id = named or identity.tenant_id
    if tenant_id is None and scope is Scope.TENANT:
        raise AuthzError("tenant credentials are required for this call")
    return tenant_id


class Admission:
    """The pipeline of one protocol in one process."""

    def __init__(self, auth: AuthStack, observers: CallObservers, caps: CallCaps, meter: CallMeter) -> None:
        self.auth = auth
        self.observers = observers
        self.caps = caps
        self.meter = meter

    def admit(self, call: ProtocolCall, *, streams: bool = False) -> AdmittedCall:
        """Return a context manager: it admits the call when it is entered, and ends the call when it is left.

        ``streams`` says that the call lasts as long as its client wants: its duration says nothing.
        """
        return AdmittedCall(self, call, streams=streams)


class AdmittedCall:
    """The time from the receipt of one call to the end of its handler.

    Entering raises the error of the first step that refuses the call. An error of the body is the end of the call, too.
    """

    __slots__ = ("_admission", "_call", "_outcome", "_slot", "_span", "_started", "_streams", "_watched")

    def __init__(self, admission: Admission, call: ProtocolCall, *, streams: bool = False) -> None:
        self._started = perf_counter()
        self._streams = streams
        self._admission = admission
        self._call = call
        self._outcome: tuple[str, str | None, bool] = (OK, None, False)
        self._slot: CallSlot | None = None
        self._watched: WatchedCall | None = None
        self._span: OpenSpan | None = None

    @property
    def is_observed(self) -> bool:
        """Whether an observer is told how the call ends."""
        return self._watched is not None

    def grow(self, size: int) -> None:
        """Count ``size`` bytes more of a request that arrives in parts; see ``CallSlot.grow``."""
        if self._slot is not None:
            self._slot.grow(size)

    def end_with(self, code: str, resource_id: str | None, *, empty: bool = False) -> None:
        """Set the outcome that observers are told when no error follows; see ``core.calls.Outcome``."""
        self._outcome = code, resource_id, empty

    async def __aenter__(self) -> Self:
        admission, call = self._admission, self._call
        if tracing.is_on():
            self._span = tracing.begin(call.endpoint.operation, call.headers_of_trace, "server")
            tracing.CURRENT.set(self._span)
        watched = self._watched = admission.observers.watch(call.endpoint, call.peer)
        try:
            slot = self._slot = admission.caps.add(call.connection, call.size, parks=call.parks)
            checks, call.identity = await self._authenticated()
            if watched is not None:
                # A refused call belongs to the caller's tenant: the tenant that it names may not exist.
                watched.identity, watched.tenant_id = call.identity, call.identity.tenant_id
            slot.count_for(call.identity)
            if call.takes_turns and not self._streams:
                await slot.take_turn()
            call.tenant_id = await call.find_tenant()
            endpoint = call.endpoint
            await checks.authorize(AuthzContext(call.identity, endpoint.action, endpoint.resource, call.tenant_id))
            if watched is not None:
                watched.tenant_id = call.tenant_id
            await call.validate()
            if watched is not None:
                watched.resource_id = call.resource_id
                await watched.before()
        except BaseException as error:
            if watched is not None and watched.identity is None:
                watched.identity = call.known_caller
            await self._end(error)
            raise
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self._end(error)

    async def _authenticated(self) -> tuple[Checks, Identity]:
        call, auth = self._call, self._admission.auth
        request = call.head()
        try:
            require_one_credential(call.credentials)
            return await call.authenticate(request)
        except (AuthError, LimitExceeded) as error:
            raise auth.refusal(request, call.endpoint.operation, error) from None

    async def _end(self, error: BaseException | None) -> None:
        """Tell the observers before the count ends: a call whose end is being recorded is still under way."""
        code, resource_id, empty = self._outcome
        if error is not None:
            code, resource_id, empty = self._call.code_of(error), None, False
        parked = PARKED_S.get() if self._call.parks else 0.0
        self._admission.meter.ended(self._call, code, perf_counter() - self._started, parked, streams=self._streams)
        if self._span is not None:
            end_span(self._span, self._call, code, parked, error)
        try:
            if self._watched is not None:
                self._watched.resource_id = self._watched.resource_id or self._call.resource_id
                await self._watched.after(code, resource_id, empty=empty)
        finally:
            if self._slot is not None:
                self._slot.release()
