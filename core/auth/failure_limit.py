"""A limit on refused credentials per source, so that guessing costs little and is seen.

Only failures count. The limit says which source guesses; what that means is for those to decide who ask: valid
credentials are never refused for the guesses of another caller behind the same address. In memory, per process: with
several worker processes, an address has the limit in each of them.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MAX_SOURCES: Final = 10_000
"""Addresses that are counted; the one that failed longest ago makes room."""


class FailureLimit:
    """A bucket per source: each failure takes one out, and time fills it again.

    Args:
        burst: the size of a bucket; 0 sets no limit.
        per_minute: how many a bucket gets back in a minute.
        monotonic: a clock in seconds.
    """

    def __init__(self, burst: int, per_minute: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._burst = burst
        self._per_second = per_minute / 60
        self._monotonic = monotonic
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._left)

    def allows(self, peer: str) -> bool:
        """Whether the source has failed less often than the limit says."""
        return not self._burst or self._now_left(source(peer)) >= 1

    def count(self, peer: str) -> None:
        """Count a failure.

        Calls that were under way at once may overdraw the bucket: each is counted, and has to be filled up again, but
        no more than the bucket holds.
        """
        if not self._burst:
            return
        name = source(peer)
        self._left[name] = (max(self._now_left(name) - 1, -self._burst), self._monotonic())
        self._left.move_to_end(name)
        if len(self._left) > MAX_SOURCES:
            self._left.popitem(last=False)

    def _now_left(self, name: str) -> float:
        if name not in self._left:
            return self._burst
        left, at = self._left[name]
        return min(self._burst, left + (self._monotonic() - at) * self._per_second)


def source(peer: str) -> str:
    """Return whom an address stands for: itself, or for IPv6 the network of 64 bits, which one host has to itself."""
    if ":" not in peer:
        return peer
    try:
        address = ipaddress.IPv6Address(peer.partition("%")[0])
    except ValueError:
        return peer
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, 64), strict=False))
