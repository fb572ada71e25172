"""Step: the tracer of a plugin, and the spans of histories."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from core import tracing
from server.background.supervisor import Supervisor
from server.boot.database import DatabaseParts
from server.boot.stopping import CORE_STOP_S
from server.engine.histories import HistorySpans
from server.plugin_registry import PluginRegistry
from server.storage.workflows import WorkflowRepository


@asynccontextmanager
async def run_tracing(registry: PluginRegistry, database: DatabaseParts) -> AsyncIterator[None]:
    """Send the spans of this process to the plugin's tracer until the context ends; without one, nothing runs.

    Raises:
        PluginError: two plugins have a tracer.
    """
    tracer = registry.tracer()
    if tracer is None:
        yield
        return
    tracing.install(tracer)
    spans = HistorySpans(WorkflowRepository(database.pool))
    supervisor = Supervisor([spans])
    supervisor.start()
    try:
        yield
    finally:
        await supervisor.stop(within=CORE_STOP_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(CORE_STOP_S):
                await spans.flush()
        tracing.install(None)
