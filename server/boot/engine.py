"""Step: the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from core.clock import Clock
from server.boot.database import DatabaseParts
from server.config import Settings
from server.database.notifications import NOTIFY
from server.database.pool import Pool
from server.engine.engine import Engine
from server.observability.work_meter import WorkMeter


@asynccontextmanager
async def run_engine(
    settings: Settings, database: DatabaseParts, clock: Clock, meter: WorkMeter | None = None
) -> AsyncIterator[Engine]:
    """Run the engine; when the context ends, all work that it accepted is committed."""
    engine = Engine(
        database.pool,
        settings.engine,
        clock=clock,
        notify=partial(_notify, database.pool),
        longest_statement=settings.database.statement_timeout,
        meter=meter,
    )
    try:
        yield engine
    finally:
        await engine.close()


async def _notify(pool: Pool, channel: str, payloads: list[str]) -> None:
    async with pool.connection() as connection:
        await connection.execute(NOTIFY, {"channel": channel, "payloads": payloads})
