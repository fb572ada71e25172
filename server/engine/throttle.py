"""A throttle: limits how often an action is done for one key."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

Key = TypeVar("Key")

MAX_REMEMBERED = 10_000


class Throttle(Generic[Key]):
    """Remembers the last actions of up to ``most`` keys; ``every`` is the pause in seconds."""

    def __init__(self, every: float, most: int = MAX_REMEMBERED) -> None:
        self._every = every
        self._most = most
        self._last: dict[Key, float] = {}

    def is_due(self, key: Key) -> bool:
        """Return whether ``every`` seconds have passed since this returned True for the key."""
        now = asyncio.get_running_loop().time()
        if now - self._last.get(key, -self._every) < self._every:
            return False
        if len(self._last) >= self._most:
            self._last.clear()  # bounds the memory; some actions are done too early
        self._last[key] = now
        return True
