"""The connections of a process: the times of the first and the last call, and the longest silence between two calls."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

MAX_CONNECTIONS = 20_000


@dataclass(slots=True)
class Heard:
    """Times of the event loop, in seconds."""

    first: float
    last: float
    longest_silence: float = 0.0


class Connections:
    """Bounded memory; every method takes constant time."""

    def __init__(self) -> None:
        self._heard: OrderedDict[str, Heard] = OrderedDict()

    def called(self, connection: str) -> None:
        """Note that a call came over a connection."""
        now = asyncio.get_running_loop().time()
        heard = self._heard.get(connection)
        if heard is None:
            self._heard[connection] = Heard(now, now)
            if len(self._heard) > MAX_CONNECTIONS:
                self._heard.popitem(last=False)
            return
        heard.longest_silence = max(heard.longest_silence, now - heard.last)
        heard.last = now
        self._heard.move_to_end(connection)

    def get(self, connection: str) -> Heard | None:
        """Return what is known of a connection."""
        return self._heard.get(connection)
