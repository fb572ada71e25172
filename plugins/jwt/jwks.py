"""The signing keys of the identity provider: fetched at intervals, and used on while the provider cannot be reached."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from core.clock import Clock
from plugins.jwt.domain import JwtRefused, Refusal
from plugins.jwt.keys import JwksError, VerificationKey

MIN_INTERVAL: Final = timedelta(seconds=60)
"""Between two fetches, however many unknown key ids are presented."""
RETRY_INTERVAL: Final = timedelta(seconds=10)
"""While there are no keys at all, so that no token is admitted."""

Fetch = Callable[[], Awaitable[Mapping[str, VerificationKey]]]


class Jwks:
    """Finds keys by id. ``close`` ends what is under way; it may be used again afterwards."""

    def __init__(self, fetch: Fetch, max_age: timedelta, clock: Clock, logger: logging.Logger) -> None:
        self._fetch = fetch
        self._max_age = max_age
        self._clock = clock
        self._logger = logger
        self._keys: Mapping[str, VerificationKey] = {}
        self._fetched_at: datetime | None = None
        self._tried_at: datetime | None = None
        self._failed = False
        self._flight: asyncio.Task[None] | None = None

    async def key(self, key_id: str) -> VerificationKey:
        """Return the key, after a fetch when it is not known or the keys are old.

        Raises:
            JwtRefused: there is no such key, or there are no keys at all.
        """
        if key_id not in self._keys:
            await _landed(self.refresh())
        elif self._is_past(self._fetched_at, self._max_age):
            flight = self.refresh()
            if not self._failed:  # a provider that is away must not slow down every call
                await _landed(flight)
        if not self._keys:
            raise JwtRefused(Refusal.KEYS_AWAY)
        if key_id not in self._keys:
            raise JwtRefused(Refusal.UNKNOWN_KEY)
        return self._keys[key_id]

    def refresh(self) -> asyncio.Task[None] | None:
        """Start a fetch, or join the one under way; None when it is too soon for another."""
        if self._flight is None:
            if not self._is_past(self._tried_at, MIN_INTERVAL if self._keys else RETRY_INTERVAL):
                return None
            self._tried_at = self._clock.now()
            self._flight = asyncio.create_task(self._fetch_once(), name="jwks")
        return self._flight

    async def close(self) -> None:
        """End a fetch that is under way."""
        flight, self._flight = self._flight, None
        if flight is not None:
            flight.cancel()
            await asyncio.wait((flight,))

    async def _fetch_once(self) -> None:
        try:
            keys = await self._fetch()
        except JwksError as error:
            self._failed = True
            self._logger.warning(
                "the keys of the identity provider cannot be fetched (%s); %s",
                error,
                self._meanwhile(),
            )
        else:
            self._failed = False
            self._keys, self._fetched_at = keys, self._clock.now()
        finally:
            self._flight = None

    def _meanwhile(self) -> str:
        return f"those of {self._fetched_at} stay in use" if self._keys else "until they are there, JWTs are refused"

    def _is_past(self, moment: datetime | None, interval: timedelta) -> bool:
        """Whether so much time has passed; a clock that was set back counts as yes."""
        return moment is None or not timedelta(0) <= self._clock.now() - moment < interval


async def _landed(flight: asyncio.Task[None] | None) -> None:
    """Wait for a fetch without becoming its owner: a caller that goes away does not end it for the others."""
    if flight is not None:
        await asyncio.wait((flight,))  # it has a deadline of its own
