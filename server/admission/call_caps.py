"""Caps on the calls and the bytes that a tenant, and a connection, may have under way in one process.

A parked poll costs little, and a worker keeps many of them open. So polls have a cap of their own and do not use up the
cap of the calls. A call above a cap is refused before any work is done; the caller may try again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

from core.auth import Identity
from core.errors import LimitExceeded
from core.pacing import PACE, Pace, Turns
from server.admission.fair_share import FairShare
from server.config.limits import Limits

TURN_TIMEOUT_S = 30.0
"""Seconds for which a call waits for the turn of its tenant."""


class _Load:
    """The calls of one owner that are under way."""

    __slots__ = ("calls", "caps", "owner", "polls", "size")

    def __init__(self, caps: _Caps, owner: Hashable) -> None:
        self.caps = caps
        self.owner = owner
        self.calls = 0
        self.polls = 0
        self.size = 0

    def remove(self, size: int, *, parks: bool) -> None:
        """Count one call less."""
        self.size -= size
        if parks:
            self.polls -= 1
        else:
            self.calls -= 1
        if not self.calls and not self.polls:
            del self.caps.loads[self.owner]


class _Caps:
    """Counts the calls of each owner: a tenant, or a connection."""

    def __init__(self, owner_name: str, calls: int, polls: int, size: int) -> None:
        self._owner_name = owner_name
        self._calls = calls
        self._polls = polls
        self._size = size
        self.loads: dict[Hashable, _Load] = {}

    def add(self, owner: Hashable, size: int, *, parks: bool) -> _Load:
        """Count one call more; return the load that it is counted in.

        A request that is larger than the cap on bytes passes while it is the only one of its owner.

        Raises:
            LimitExceeded: the owner has too many calls or bytes under way; the call is not counted.
        """
        load = self.loads.get(owner)
        if load is None:
            load = _Load(self, owner)
        elif load.size + size > self._size and load.size:
            raise self._refusal(f"{self._size} bytes of requests")
        if parks:
            if load.polls >= self._polls:
                raise self._refusal(f"{self._polls} polls")
            load.polls += 1
        else:
            if load.calls >= self._calls:
                raise self._refusal(f"{self._calls} calls")
            load.calls += 1
        load.size += size
        self.loads[owner] = load
        return load

    def check_growth(self, load: _Load, size: int) -> None:
        """Return if calls of an owner may take ``size`` bytes more.

        Raises:
            LimitExceeded: they would exceed the cap.
        """
        if load.size + size > self._size:
            raise self._refusal(f"{self._size} bytes of requests")

    def _refusal(self, limit: str) -> LimitExceeded:
        return LimitExceeded(f"{self._owner_name} has {limit} under way at this server; try again when some have ended")


class CallCaps:
    """The caps of one process, and the turns in which it does expensive work."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.turns = Turns()
        self.fair_share = FairShare(limits.calls_beside_others)
        polls = limits.polls_per_tenant
        self.connections = _Caps("this connection", limits.calls_per_connection, polls, limits.bytes_per_connection)
        self.tenants = _Caps("this tenant", limits.calls_per_tenant, polls, limits.bytes_per_tenant)

    def add(self, connection: Hashable, size: int, *, parks: bool = False) -> CallSlot:
        """Count a call of a connection; the caller of this method must call ``release`` of the result.

        Args:
            connection: identifies the connection.
            size: bytes of the request.
            parks: the call is a poll.

        Raises:
            LimitExceeded: the connection has too many calls or bytes under way.
        """
        return CallSlot(self, self.connections.add(connection, size, parks=parks), size, parks=parks)


class CallSlot:
    """The count of one call that is under way."""

    __slots__ = ("_caps", "_connection", "_has_turn", "_parks", "_size", "_tenant")

    def __init__(self, caps: CallCaps, connection: _Load, size: int, *, parks: bool) -> None:
        self._caps = caps
        self._connection = connection
        self._size = size
        self._parks = parks
        self._tenant: _Load | None = None
        self._has_turn = False

    def count_for(self, identity: Identity) -> None:
        """Count the call for the caller's tenant, or for the caller where it has no tenant.

        From here on, expensive work of the call is done in the turns of that tenant or caller (``core.pacing``).

        Raises:
            LimitExceeded: the tenant or caller has too many calls or bytes under way.
        """
        owner = identity.tenant_id or identity.id
        self._tenant = self._caps.tenants.add(owner, self._size, parks=self._parks)
        PACE.set(Pace(self._caps.turns, owner))

    async def take_turn(self) -> None:
        """Wait until the tenant of the call may run one more, after ``count_for``.

        Raises:
            LimitExceeded: the turn did not come within ``TURN_TIMEOUT_S``.
        """
        assert self._tenant is not None
        share, owner = self._caps.fair_share, self._tenant.owner
        turn = share.enter(owner)
        if turn is not None:
            try:
                async with asyncio.timeout(TURN_TIMEOUT_S):
                    await turn
            except asyncio.CancelledError:
                share.abandon(owner, turn)
                raise
            except TimeoutError:
                share.abandon(owner, turn)
                raise LimitExceeded(
                    f"this call waited {TURN_TIMEOUT_S:g} s for other calls of its tenant; beside other tenants, this"
                    " server runs few of them at a time: send fewer at a time, and try again"
                ) from None
        self._has_turn = True

    def grow(self, size: int) -> None:
        """Count ``size`` bytes more for a call whose request arrives in parts.

        Raises:
            LimitExceeded: the connection or the tenant has too many bytes under way.
        """
        loads = [(self._caps.connections, self._connection)]
        if self._tenant is not None:
            loads.append((self._caps.tenants, self._tenant))
        for caps, load in loads:
            caps.check_growth(load, size)
        for _, load in loads:
            load.size += size
        self._size += size

    def release(self) -> None:
        """End the count of the call."""
        self._connection.remove(self._size, parks=self._parks)
        if self._tenant is not None:
            if self._has_turn:
                self._caps.fair_share.leave(self._tenant.owner)
            self._tenant.remove(self._size, parks=self._parks)
