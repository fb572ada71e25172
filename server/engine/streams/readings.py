"""Reads state changes for the subscribers of a process, a few times a second, while there are any."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

PAUSE_S = 0.3
"""The pause between two reads, in seconds, while there are subscribers."""

Follower = TypeVar("Follower")


class Readings(ABC, Generic[Follower]):
    """The followers of one kind; see ``core.service.Service``."""

    name = "readings"

    def __init__(self) -> None:
        self._followers: set[Follower] = set()
        self._has_followers = asyncio.Event()

    async def run(self) -> None:
        """Read state changes until cancelled."""
        while True:
            await self._has_followers.wait()
            await self.read()
            await asyncio.sleep(PAUSE_S)

    @abstractmethod
    async def read(self) -> None:
        """Deliver the state changes since the last read to all followers."""

    @asynccontextmanager
    async def _following(self, follower: Follower) -> AsyncIterator[None]:
        self._followers.add(follower)
        self._has_followers.set()
        try:
            yield
        finally:
            self._followers.discard(follower)
            if not self._followers:
                self._has_followers.clear()
