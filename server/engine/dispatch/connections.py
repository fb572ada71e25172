"""The call times of a process's connections: first call, last call, and the longest silence between two calls."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

MAX_CONNECTIONS = 20_000


@dataclass(slots=True)
class CallTimes:
    """The call times of one connection, in seconds of the event loop's clock."""

    first: float
    last: float
    longest_silence: float = 0.0


class ConnectionActivity:
    """The call times of up to ``MAX_CONNECTIONS`` connections. Every method takes constant time."""

    def __init__(self) -> None:
        self._times: OrderedDict[str, CallTimes] = OrderedDict()

    def called(self, connection: str) -> None:
        """Record a call over a connection."""
        now = asyncio.get_running_loop().time()
        times = self._times.get(connection)
        if times is None:
            self._times[connection] = CallTimes(now, now)
            if len(self._times) > MAX_CONNECTIONS:
                self._times.popitem(last=False)
            return
        times.longest_silence = max(times.longest_silence, now - times.last)
        times.last = now
        self._times.move_to_end(connection)

    def get(self, connection: str) -> CallTimes | None:
        """Return the call times of a connection; None for an unknown or forgotten one."""
        return self._times.get(connection)
