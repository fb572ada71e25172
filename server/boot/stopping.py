"""The end of a worker process: when it began, and how its time is shared."""

from __future__ import annotations

import asyncio

CORE_STOP_S = 1.0
"""For how long the server's own services may stop, in seconds."""


class Stopping:
    """Shares ``process.drain_timeout`` seconds among calls in flight, plugins and the engine.

    The server is killed when they are over, so each part ends earlier than the next one must begin.
    """

    def __init__(self, drain_timeout: float) -> None:
        self._drain_timeout = drain_timeout
        self._since: float | None = None

    def begin(self) -> None:
        """Note the time at which the worker begins to stop; later calls change nothing."""
        if self._since is None:
            self._since = asyncio.get_running_loop().time()

    @property
    def has_begun(self) -> bool:
        """Whether the worker is about to end."""
        return self._since is not None

    @property
    def grace_for_calls(self) -> float:
        """For how many seconds calls in flight may go on."""
        return max(1.0, self._drain_timeout - 3)

    def left_for_plugins(self) -> float:
        """Return for how many seconds plugins may stop, so that time is left to close the engine."""
        now = asyncio.get_running_loop().time()
        used = 0.0 if self._since is None else now - self._since
        return max(1.0, self._drain_timeout - 4 - used)
