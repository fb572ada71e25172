"""The background work on tokens in a process: confirms the cache, writes times of use, writes the log.

It runs in every worker process and asks the database only while there is something to ask. What it has not written
when the process dies is lost: a use noted a minute late, or a hash renewed at the next use.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from core.errors import Unavailable
from plugins.worker_token.cache import TRUST_S, TokenCache
from plugins.worker_token.checker import TokenChecker
from plugins.worker_token.outcomes import Outcomes
from plugins.worker_token.repository import WorkerTokenRepository

TICK_S: Final = TRUST_S / 2
"""Twice within the time that a memory is worth, so that tokens in use never wait for the database."""
FINISH_S: Final = 5.0
"""How long the end of the process waits for the last notes."""


class TokenKeeper:
    """The background service of the plugin."""

    name = "worker-token keeper"

    def __init__(
        self,
        checker: TokenChecker,
        cache: TokenCache,
        repository: WorkerTokenRepository,
        outcomes: Outcomes,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checker = checker
        self._cache = cache
        self._repository = repository
        self._outcomes = outcomes
        self._monotonic = monotonic

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._checker.busy.wait()
            await asyncio.sleep(TICK_S)
            await self.tick()

    async def tick(self) -> None:
        """Do everything once, and find out whether there will be more to do.

        Raises:
            Unavailable: the database cannot be asked; nothing is lost but time.
        """
        self._outcomes.report()
        await self._refresh()
        await self._write()
        if not (len(self._cache) or self._checker.uses or self._checker.rehashes or self._outcomes.waiting):
            self._checker.busy.clear()

    async def finish(self) -> None:
        """Write what has gathered, at the end of the process; what cannot be written is lost."""
        self._outcomes.report(at_once=True)
        try:
            async with asyncio.timeout(FINISH_S):
                await self._checker.close()
                await self._write()
        except TimeoutError:
            raise Unavailable(f"the last uses of worker tokens could not be noted within {FINISH_S:g} s") from None

    async def _refresh(self) -> None:
        asked = self._cache.in_use()
        if asked:
            sent_at = self._monotonic()
            changed = await self._repository.changed([memory.token for memory in asked])
            self._cache.confirm(asked, changed, sent_at)

    async def _write(self) -> None:
        rehashes, uses = list(self._checker.rehashes.values()), list(self._checker.uses)
        if rehashes:
            await self._repository.rehash(rehashes)
            for each in rehashes:
                self._checker.rehashes.pop(each.old, None)
        if uses:
            await self._repository.note_uses(uses)
            self._checker.uses.difference_update(uses)
