"""Admits calls: a tenant, and a connection, may have only so many calls and bytes under way in one process.

Parked polls cost little and are counted by themselves: a worker keeps many of them open, and they must not use up the
calls. Refused calls may be tried again; nothing was done.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from core.auth import Identity
from core.errors import LimitExceeded
from core.pacing import PACE, Pace, Turns
from server.config.limits import Limits

SILENT_BYTES = 512
"""A request of so few bytes cannot ask for expensive work."""


class _Load:
    """The calls of one owner that are under way."""

    __slots__ = ("calls", "gate", "owner", "polls", "size")

    def __init__(self, gate: _Gate, owner: Hashable) -> None:
        self.gate = gate
        self.owner = owner
        self.calls = 0
        self.polls = 0
        self.size = 0

    def leave(self, size: int, *, parks: bool) -> None:
        """Count one call less."""
        self.size -= size
        if parks:
            self.polls -= 1
        else:
            self.calls -= 1
        if not self.calls and not self.polls:
            del self.gate.loads[self.owner]


class _Gate:
    """Counts the calls of each owner: a tenant, or a connection."""

    def __init__(self, what: str, calls: int, polls: int, size: int) -> None:
        self._what = what
        self._calls = calls
        self._polls = polls
        self._size = size
        self.loads: dict[Hashable, _Load] = {}

    def enter(self, owner: Hashable, size: int, *, parks: bool) -> _Load:
        """Count one more call; return what it is counted in.

        Raises:
            LimitExceeded: the owner has too many, or too large ones, under way; nothing was counted.
        """
        load = self.loads.get(owner)
        if load is None:
            load = _Load(self, owner)
        elif load.size + size > self._size and load.size:
            raise self._refused(f"{self._size} bytes of requests")
        if parks:
            if load.polls >= self._polls:
                raise self._refused(f"{self._polls} polls")
            load.polls += 1
        else:
            if load.calls >= self._calls:
                raise self._refused(f"{self._calls} calls")
            load.calls += 1
        load.size += size
        self.loads[owner] = load
        return load

    def _refused(self, limit: str) -> LimitExceeded:
        return LimitExceeded(f"{self._what} has {limit} under way at this server; try again when some have ended")


class Admission:
    """What one process lets its callers have under way, and in which order expensive work is done."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.turns = Turns()
        polls = limits.polls_per_tenant
        self.connections = _Gate("this connection", limits.calls_per_connection, polls, limits.bytes_per_connection)
        self.tenants = _Gate("this tenant", limits.calls_per_tenant, polls, limits.bytes_per_tenant)

    def call(self, connection: Hashable, size: int, *, parks: bool = False) -> Entry:
        """Admit a call of a connection; the caller of this method must call ``leave`` of the result.

        Args:
            connection: identifies the connection.
            size: bytes of the request.
            parks: the call is a poll, or a stream that is counted elsewhere.

        Raises:
            LimitExceeded: the connection has too much under way.
        """
        return Entry(self, self.connections.enter(connection, size, parks=parks), size, parks=parks)


class Entry:
    """A call that is under way."""

    __slots__ = ("_admission", "_connection", "_parks", "_size", "_tenant")

    def __init__(self, admission: Admission, connection: _Load, size: int, *, parks: bool) -> None:
        self._admission = admission
        self._connection = connection
        self._size = size
        self._parks = parks
        self._tenant: _Load | None = None

    @property
    def connection(self) -> Any:
        """The connection of the call, as ``Admission.call`` was told it."""
        return self._connection.owner

    def of(self, identity: Identity) -> None:
        """Count the call as one of the caller's tenant, or of the caller where there is none.

        From here on, expensive work of the call is done in the owner's turns (``core.pacing``).

        Raises:
            LimitExceeded: the owner has too much under way.
        """
        owner = identity.tenant_id or identity.id
        self._tenant = self._admission.tenants.enter(owner, self._size, parks=self._parks)
        if self._size > SILENT_BYTES:
            PACE.set(Pace(self._admission.turns, owner))

    def leave(self) -> None:
        """End the call."""
        self._connection.leave(self._size, parks=self._parks)
        if self._tenant is not None:
            self._tenant.leave(self._size, parks=self._parks)
