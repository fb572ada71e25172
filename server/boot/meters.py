"""Step: the meters of the process, and the build information among the metrics."""

from __future__ import annotations

import platform
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.batching import observe_batches
from core.metrics import COUNT_BUCKETS, DURATION_BUCKETS
from server.background.supervisor import Supervisor
from server.boot.database import DatabaseParts
from server.boot.preparation import Prepared
from server.boot.stopping import CORE_STOP_S
from server.config import Settings
from server.engine.engine import Engine
from server.observability.database_meter import DatabaseMeter
from server.observability.metrics import MetricsRegistry
from server.observability.process_meter import ProcessMeter
from server.observability.work_meter import WorkMeter


def make_database_meter(settings: Settings, metrics: MetricsRegistry) -> DatabaseMeter | None:
    """Return the meter of statements and of the work that they write; None without metrics."""
    if not metrics.counts:
        return None
    work = WorkMeter(metrics.server, settings.metrics.queues, settings.metrics.tenants or ())
    return DatabaseMeter(metrics.server, settings.log.slow_statement, work)


@asynccontextmanager
async def run_meters(
    prepared: Prepared, metrics: MetricsRegistry, database: DatabaseParts, engine: Engine
) -> AsyncIterator[None]:
    """Sample the gauges of the process until the context ends; without metrics, nothing runs."""
    if not metrics.counts:
        yield
        return
    own, info = metrics.server, prepared.edition.build_info
    build = own.gauge("build_info", "The edition that runs; always 1.", ("edition", "version", "python"), mode="max")
    build.of(info.edition, info.version, platform.python_version()).set(1)
    _observe_batches(metrics)
    leads = own.gauge("leader", "Worker processes of this server that lead the deployment: 1 or 0.").of()
    streams = own.gauge("streams_open", "Streams of events that are open.").of()

    def sample() -> None:
        database.pool.sample()
        for wakeups in engine.wakeups.values():
            wakeups.sample()
        leads.set(database.leadership.leads)
        streams.set(engine.streams.open_streams.count)

    supervisor = Supervisor([ProcessMeter(metrics, [sample])])
    supervisor.start()
    try:
        yield
    finally:
        await supervisor.stop(within=CORE_STOP_S)


def _observe_batches(metrics: MetricsRegistry) -> None:
    own = metrics.server
    sizes = own.histogram("batch_size", "Calls that were written as one batch.", ("batch",), COUNT_BUCKETS)
    waits = own.histogram(
        "batch_wait_seconds", "Time for which the first call of a batch waited.", ("batch",), DURATION_BUCKETS
    )

    def observe(name: str, size: int, wait: float) -> None:
        sizes.of(name).observe(size)
        waits.of(name).observe(wait)

    observe_batches(observe)
