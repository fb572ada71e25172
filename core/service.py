"""The contract of everything that runs for as long as the server does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
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


class ServiceWithin:
    """A service that runs inside a context, which is entered anew whenever the service is started."""

    def __init__(self, service: Service, context: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        self.name = service.name
        self._service = service
        self._context = context

    async def run(self) -> None:
        """Wait for the context, then work until cancelled."""
        async with self._context():
            await self._service.run()
