"""Reports every call to the observers of plugins, before and after it runs."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from core.auth import Action, Identity, Protocol
from core.calls import OK, Call, CallObserver, Outcome
from core.clock import Clock
from core.errors import FlovynError, StartupError, Unavailable
from server.observability.call_meter import CANCELLED
from server.observability.request_id import REQUEST_ID

BEFORE_TIMEOUT_S = 10.0
"""The longest time for which a call waits for an observer.

Before its handler, the call is refused after this time; afterwards, it goes on.
"""

PARKED_S: ContextVar[float] = ContextVar("parked seconds", default=0.0)
"""The time for which the poll of the running task was parked."""

_FAILED_AFTER = "the observer of plugin %r failed after a call"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CallEndpoint:
    """The properties that all calls of a route or method share; see ``core.calls.Call``."""

    protocol: Protocol
    operation: str
    action: Action
    resource: str
    reads: bool = False


class CallObservers:
    """The observers of a process, each with the name of its plugin."""

    def __init__(self, observers: Sequence[tuple[str, CallObserver]], clock: Clock) -> None:
        self._observers = observers
        self._before = [each for each in observers if type(each[1]).before is not CallObserver.before]
        self._after = [each for each in observers if type(each[1]).after is not CallObserver.after]
        self._clock = clock
        self._telling: set[asyncio.Task[None]] = set()

    @property
    def wants_before(self) -> bool:
        """Whether an observer is to be told of calls before they run."""
        return bool(self._before)

    def watch(self, endpoint: CallEndpoint, peer: str) -> WatchedCall | None:
        """Begin to watch a call; None without observers."""
        return WatchedCall(self, endpoint, peer) if self._observers else None

    def now(self) -> datetime:
        """Return the present time."""
        return self._clock.now()

    async def before(self, call: Call) -> None:
        """Tell the observers that the call is about to run.

        Raises:
            FlovynError: an observer refused the call.
            Unavailable: an observer failed or took too long.
        """
        for plugin, observer in self._before:
            try:
                async with asyncio.timeout(BEFORE_TIMEOUT_S):
                    await observer.before(call)
            except FlovynError:
                raise
            except Exception as error:
                _log.exception("the observer of plugin %r failed; the call is refused", plugin)
                raise Unavailable("an observer of this server failed; the call did not run, try again later") from error

    async def after(self, call: Call, outcome: Outcome) -> None:
        """Tell the observers how the call ended, even when its caller disconnects in the meantime."""
        waits: list[tuple[str, Awaitable[None]]] = []
        for plugin, observer in self._after:
            try:
                wait = observer.after(call, outcome)
            except Exception:  # noqa: BLE001 - logged whole; the call has happened
                _log.exception(_FAILED_AFTER, plugin)
            else:
                if wait is not None:
                    waits.append((plugin, wait))
        if waits:  # only now: a task and a timer cost more than most observers
            telling = asyncio.create_task(_wait_for(waits))
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)
            await asyncio.shield(telling)

    async def close(self) -> None:
        """Wait until the observers have been told of all calls that have ended."""
        while self._telling:
            await asyncio.wait(self._telling)


async def _wait_for(waits: Sequence[tuple[str, Awaitable[None]]]) -> None:
    for plugin, wait in waits:
        try:
            async with asyncio.timeout(BEFORE_TIMEOUT_S):
                await wait
        except Exception:  # noqa: BLE001 - logged whole; the call has happened
            _log.exception(_FAILED_AFTER, plugin)


class WatchedCall:
    """One call in a guard, which sets the identity, the tenant and the resource as soon as it knows them."""

    def __init__(self, observers: CallObservers, endpoint: CallEndpoint, peer: str) -> None:
        self._observers = observers
        self._endpoint = endpoint
        self._peer = peer
        self._received_at = observers.now()
        self._started = time.perf_counter()
        self._id = uuid4()
        self.identity: Identity | None = None
        self.tenant_id: UUID | None = None
        self.resource_id: str | None = None

    async def before(self) -> None:
        """Tell the observers that the handler is about to run."""
        if self._observers.wants_before:
            await self._observers.before(self._call())

    async def after(self, code: str, resource_id: str | None = None, *, empty: bool = False) -> None:
        """Tell the observers how the call ended: the code of the answer, and the resource that the answer names."""
        duration = time.perf_counter() - self._started
        outcome = Outcome(code, duration, self.resource_id or resource_id, empty)
        await self._observers.after(self._call(), outcome)

    def _call(self) -> Call:
        endpoint = self._endpoint
        return Call(
            id=self._id,
            request_id=REQUEST_ID.get(),
            protocol=endpoint.protocol,
            operation=endpoint.operation,
            action=endpoint.action,
            resource=endpoint.resource,
            identity=self.identity,
            tenant_id=self.tenant_id,
            peer=self._peer,
            received_at=self._received_at,
            resource_id=self.resource_id,
            reads=endpoint.reads,
        )


def text_of(values: Mapping[str, object], name: str) -> str | None:
    """Return the value of ``name`` as text; None unless it is a text, a number or a UUID."""
    value = values.get(name)
    return str(value) if isinstance(value, str | int | UUID) and value != "" else None


def code_of(error: BaseException | None) -> str:
    """Return the code of an error that a handler or a check raised; ``ok`` for None.

    A ``StartupError``, such as that of a database that lacks a migration, is answered as an internal error.
    """
    if error is None:
        return OK
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return CANCELLED
    if isinstance(error, StartupError):
        return FlovynError.code
    return error.code if isinstance(error, FlovynError) else FlovynError.code
