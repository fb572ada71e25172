"""Admits calls: a tenant, and a connection, may have only so many calls and bytes under way in one process.

Parked polls cost little and are counted by themselves: a worker keeps many of them open, and they must not use up the
calls. Refused calls may be tried again; nothing was done.
"""

from __future__ import annotations

from collections.abc import Hashable

from core.auth import Identity
from core.errors import LimitExceeded
from core.pacing import PACE, Pace, Turns
from server.config.limits import Limits


class _Load:
    """The calls of one owner that are under way."""

    __slots__ = ("calls", "polls", "size")

    def __init__(self) -> None:
        self.calls = 0
        self.polls = 0
        self.size = 0


class _Gate:
    """Counts the calls of each owner: a tenant, or a connection."""

    def __init__(self, what: str, calls: int, polls: int, size: int) -> None:
        self._what = what
        self._calls = calls
        self._polls = polls
        self._size = size
        self._loads: dict[Hashable, _Load] = {}

    def enter(self, owner: Hashable, size: int, *, parks: bool) -> None:
        """Count one more call.

        Raises:
            LimitExceeded: the owner has too many, or too large ones, under way; nothing was counted.
        """
        load = self._loads.get(owner) or _Load()
        if load.size and load.size + size > self._size:
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
        self._loads[owner] = load

    def leave(self, owner: Hashable, size: int, *, parks: bool) -> None:
        """Count one call less."""
        load = self._loads[owner]
        load.size -= size
        if parks:
            load.polls -= 1
        else:
            load.calls -= 1
        if not load.calls and not load.polls:
            del self._loads[owner]

    def _refused(self, limit: str) -> LimitExceeded:
        return LimitExceeded(f"{self._what} has {limit} under way at this server; try again when some have ended")


class Admission:
    """What one process lets its callers have under way, and in which order expensive work is done."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.turns = Turns()
        polls = limits.polls_per_tenant
        self._connections = _Gate("this connection", limits.calls_per_connection, polls, limits.bytes_per_connection)
        self._tenants = _Gate("this tenant", limits.calls_per_tenant, polls, limits.bytes_per_tenant)

    def call(self, connection: Hashable, size: int, *, parks: bool = False) -> Entry:
        """Admit a call of a connection; the caller of this method must call ``leave`` of the result.

        Args:
            connection: identifies the connection.
            size: bytes of the request.
            parks: the call is a poll, or a stream that is counted elsewhere.

        Raises:
            LimitExceeded: the connection has too much under way.
        """
        self._connections.enter(connection, size, parks=parks)
        return Entry(self._connections, self._tenants, self.turns, connection, size, parks=parks)


class Entry:
    """A call that is under way."""

    __slots__ = ("_connection", "_connections", "_owner", "_parks", "_size", "_tenants", "_turns")

    def __init__(
        self, connections: _Gate, tenants: _Gate, turns: Turns, connection: Hashable, size: int, *, parks: bool
    ) -> None:
        self._connections = connections
        self._tenants = tenants
        self._turns = turns
        self._connection = connection
        self._size = size
        self._parks = parks
        self._owner: Hashable = None

    def of(self, identity: Identity) -> None:
        """Count the call as one of the caller's tenant, or of the caller where there is none.

        From here on, expensive work of the call is done in the owner's turns (``core.pacing``).

        Raises:
            LimitExceeded: the owner has too much under way.
        """
        owner = identity.tenant_id or identity.id
        self._tenants.enter(owner, self._size, parks=self._parks)
        self._owner = owner
        PACE.set(Pace(self._turns, owner))

    def leave(self) -> None:
        """End the call."""
        self._connections.leave(self._connection, self._size, parks=self._parks)
        if self._owner is not None:
            self._tenants.leave(self._owner, self._size, parks=self._parks)
