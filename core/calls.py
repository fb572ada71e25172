"""Observers of calls: the part of every REST request and gRPC call that a plugin can see.

The server informs an observer twice of a call that reaches its handler: ``before`` it runs and ``after`` it ended.
A call that is refused on the way (unknown caller, not allowed, malformed) is reported once, by ``after``.
Observers never see bodies, payloads, headers or credentials.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.auth import Action, Identity, Protocol

OK = "ok"
"""The code of a call that was answered as asked."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call as the guards know it.

    Attributes:
        id: made by the server, unique.
        request_id: the id of log lines, which the caller may have chosen.
        protocol: REST or gRPC.
        operation: ``POST /api/v1/p/hello-world/greetings`` (the route, not the path), or ``/package.Service/Method``.
        action: what the caller does, for the authorizer.
        resource: to what kind of thing.
        identity: who calls; None while that is not known.
        tenant_id: the tenant that the call concerns; None while not known, and for calls that concern none.
        peer: the caller's network address without the port.
        received_at: when the call came in.
        resource_id: the thing that it is about, where the request says so; one that it makes is known afterwards.
        reads: the endpoint says that it changes nothing (``core.endpoints.Repeat.READS``), whatever its action is.
    """

    id: UUID
    request_id: str
    protocol: Protocol
    operation: str
    action: Action
    resource: str
    identity: Identity | None
    tenant_id: UUID | None
    peer: str
    received_at: datetime
    resource_id: str | None = None
    reads: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended.

    Attributes:
        code: ``ok``, the ``code`` of the error that was answered (``core.errors``), or ``cancelled`` by the caller.
        duration: seconds since it came in.
        resource_id: the thing that the call was about or made, as far as the endpoint says which field tells.
        empty: the answer holds nothing, as that of a poll without work.
    """

    code: str
    duration: float
    resource_id: str | None = None
    empty: bool = False

    @property
    def is_refusal(self) -> bool:
        """Whether the caller was turned away for who it is."""
        return self.code in {"unauthenticated", "permission_denied"}


class CallObserver(ABC):  # noqa: B024 - both methods are optional
    """Sees every call. One instance serves all calls of a process; both methods must be quick."""

    async def before(self, call: Call) -> None:  # noqa: B027 - both are optional
        """See a call whose caller is known and allowed, right before its handler runs.

        Raising refuses the call: nothing of it happens. The caller gets the ``FlovynError``, and
        ``Unavailable`` for any other exception, or when this takes longer than the server waits.
        """

    def after(self, call: Call, outcome: Outcome) -> Awaitable[None] | None:
        """See how a call ended, before its answer is sent. An exception is logged and changes nothing.

        The answer waits for a returned awaitable. An observer that need not wait has a plain method that returns None:
        it costs a call neither a task nor a timer.
        """
        return None
