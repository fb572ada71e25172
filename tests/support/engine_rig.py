"""An engine on PostgreSQL without the server around it, for tests that drive it call by call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

from core.clock import SystemClock
from server.config.settings import DatabasePool
from server.config.settings import EngineSettings as Limits
from server.database.pool import Pool, open_pool
from server.engine.engine import Engine


class Rig:
    """An engine, the loop that it runs in, and what the rules need of it, as plain calls."""

    def __init__(self, database_url: str) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self.do(self._open(database_url))

    async def _open(self, database_url: str) -> None:
        self.pool: Pool = await self._stack.enter_async_context(open_pool(database_url, DatabasePool()))
        self.engine = Engine(self.pool, Limits(), clock=SystemClock(), notify=_notify_none)
        self._stack.push_async_callback(self.engine.close)

    def do(self, work: Awaitable[Any]) -> Any:
        """Run an awaitable in the loop; return its result."""

        async def awaited() -> Any:
            return await work

        return self._runner.run(awaited())

    def rows(self, query: str, tenant: UUID) -> list[tuple[Any, ...]]:
        """Return the rows of the tenant."""

        async def ask() -> list[tuple[Any, ...]]:
            async with self.pool.connection() as connection:
                found: list[tuple[Any, ...]] = await (await connection.execute(query, {"tenant": tenant})).fetchall()
                return found

        rows: list[tuple[Any, ...]] = self.do(ask())
        return rows

    def close(self) -> None:
        """Stop it."""
        self.do(self._stack.aclose())
        self._runner.close()


async def _notify_none(_channel: str, _payloads: list[str]) -> None:
    """Send no notification: no other process listens."""
