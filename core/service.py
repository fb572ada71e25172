"""The contract of everything that runs for as long as the server does."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Service(Protocol):
    """A supervised background activity.

    Stopping before starting and stopping twice are safe. Waits inside end at once when stopped.
    A service that ends by itself is logged and restarted by the server.
    """

    name: str

    async def run(self) -> None:
        """Work until cancelled. Returning or raising counts as a failure and leads to a restart."""
