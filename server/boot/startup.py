"""The boot sequence. Read this first.

``prepare`` runs once, in the supervising process, before the fork: it finds every mistake that can be found, brings the
database up to date, and fails with one message. ``running`` runs in every worker process. Each of its steps is a module
of this package; a step that must be undone is a context, and contexts end in the opposite order. So ``running``, read
backwards, is the shutdown.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.clock import SystemClock
from server.admission.call_caps import CallCaps
from server.boot.authentication import Authentication, make_authentication
from server.boot.background import run_background
from server.boot.database import DatabaseParts, no_database, open_database
from server.boot.engine import run_engine
from server.boot.meters import make_database_meter, run_meters
from server.boot.plugins import Plugins, make_plugins, run_plugins
from server.boot.preparation import Prepared, migrate
from server.boot.rest_api import make_rest_api
from server.boot.stopping import Stopping
from server.boot.tracing import run_tracing
from server.database.notifications import Notifications
from server.database.server_process import ServerProcess
from server.engine.engine import Engine
from server.observability.metrics import MetricsRegistry
from server.rest_api.app import AsgiApp

if TYPE_CHECKING:  # grpc is imported after the fork
    from server.boot.grpc_api import GrpcApi


async def prepare(prepared: Prepared) -> None:
    """Bring the database up to date and check that workers will be able to start.

    Raises:
        StartupError: the database cannot be reached, migrations are refused, or pending while
            ``auto_migrate`` is off, or a plugin cannot work with its settings, or clashes with another.
    """
    await migrate(prepared)
    await rehearse(prepared)


async def rehearse(prepared: Prepared) -> None:
    """Run the steps of a worker that can fail, once, without serving; metrics do not show it.

    Raises:
        StartupError: as ``prepare``, but for migrations.
    """
    async with open_database(prepared.settings) as database:
        await _try(prepared, database)


async def check(prepared: Prepared) -> None:
    """Run the same steps without a database, for commands that check a configuration.

    Raises:
        StartupError: a plugin cannot work with its settings, or clashes with another.
    """
    async with no_database(prepared.settings) as database:
        await _try(prepared, database)


async def _try(prepared: Prepared, database: DatabaseParts) -> None:
    settings, clock = prepared.settings, SystemClock()
    stopping, call_caps = Stopping(settings.process.drain_timeout), CallCaps(settings.limits)
    async with run_engine(settings, database, clock) as engine:
        metrics = MetricsRegistry(counts=False)
        plugins = make_plugins(prepared, database, engine, metrics, clock)
        authentication = make_authentication(prepared, plugins.registry, clock, metrics)
        make_rest_api(plugins, authentication, database, engine, call_caps=call_caps, stopping=stopping)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: the result of each step.

    Attributes:
        app: the REST app.
        grpc: the gRPC server.
        listening: receives the notifications of other processes.
        call_caps: the caps on calls under way.
    """

    prepared: Prepared
    database: DatabaseParts
    engine: Engine
    plugins: Plugins
    authentication: Authentication
    listening: Notifications
    call_caps: CallCaps
    app: AsgiApp
    grpc: GrpcApi


@asynccontextmanager
async def running(prepared: Prepared) -> AsyncIterator[Server]:
    """Run all steps of a worker process; when the context ends, they stop in the opposite order."""
    from server.boot.grpc_api import serve_grpc, server_services

    settings, clock, process = prepared.settings, SystemClock(), ServerProcess()
    stopping, call_caps = Stopping(settings.process.drain_timeout), CallCaps(settings.limits)
    async with AsyncExitStack() as stack:
        step = stack.enter_async_context
        metrics = stack.enter_context(closing(MetricsRegistry(counts=settings.metrics.enabled)))
        meter = make_database_meter(settings, metrics)
        database = await step(open_database(settings, meter))
        engine = await step(run_engine(settings, database, clock, meter.work if meter else None))
        plugins = make_plugins(prepared, database, engine, metrics, clock)
        authentication = make_authentication(prepared, plugins.registry, clock, metrics)
        await step(run_meters(prepared, metrics, database, engine))
        listening = await step(run_background(settings, database, engine, process))
        await step(run_plugins(plugins.registry, stopping))
        await step(run_tracing(plugins.registry, database))
        app = make_rest_api(plugins, authentication, database, engine, call_caps=call_caps, stopping=stopping)
        services = [*server_services(settings, engine, process, clock), *plugins.registry.grpc_services()]
        serving = serve_grpc(
            settings, services, authentication, engine, call_caps=call_caps, listening=listening, stopping=stopping
        )
        grpc = await step(serving)
        yield Server(prepared, database, engine, plugins, authentication, listening, call_caps, app, grpc)


@asynccontextmanager
async def without_serving(prepared: Prepared, database: DatabaseParts) -> AsyncIterator[Plugins]:
    """Make the engine and the plugins, for commands that ask them and serve nothing."""
    clock = SystemClock()
    async with run_engine(prepared.settings, database, clock) as engine:
        yield make_plugins(prepared, database, engine, MetricsRegistry(counts=False), clock)
