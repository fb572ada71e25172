"""The boot sequence. Read this first.

``prepare`` runs once, in the supervising process, before anything is forked: it finds every
mistake that can be found, brings the database up to date, and fails with one clear message.
``STEPS`` run in every worker process; each is a context that is entered in this order and left in
the opposite one, so the list is the shutdown, too, read backwards.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any

from pydantic import BaseModel

from core.auth import Protocol
from core.auth.failure_limit import FailureLimit
from core.clock import SystemClock
from core.endpoints import GrpcService, RestRoute
from core.migration import sql_name
from core.plugin import Plugin
from core.plugin_services import PluginServices
from core.service import Service, ServiceWithin
from server.admission.call_caps import CallCaps
from server.admission.pipeline import Admission
from server.auth.registry import build_stack, enabled
from server.auth.stack import AuthStack
from server.background.channels import channels
from server.background.due_service import DueService
from server.background.supervisor import Supervisor
from server.background.sweepers import sweepers
from server.background.watches import watches
from server.boot.preparation import Prepared, configured_tenants, load_plugins, migrate
from server.config.descriptors import share
from server.database.exclusive import Locks
from server.database.leadership import Leadership
from server.database.notifications import NOTIFY, Notifications
from server.database.pool import Pool, open_pool
from server.database.server_process import ServerProcess
from server.engine.engine import Engine
from server.engine.launchers import EnginePromiseResolver, EngineTaskLauncher, EngineWorkflowLauncher
from server.observability.calls import CallObservers
from server.observability.metrics import MetricsRegistry
from server.plugin_registry import PluginRegistry
from server.plugin_registry.server_names import server_names
from server.rest_api.app import AsgiApp, build_app
from server.rest_api.guard import Guard
from server.rest_api.openapi import document
from server.rest_api.resources.health import Health
from server.rest_api.routes import server_routes
from server.storage.tenants import TenantRepository

LOCKED_WITHIN_S = 2.0
"""For how long the start waits for the lock on the number of the process, in seconds."""

LONGEST_WAIT_S = 20.0
"""A worker process waits no longer for its database: gunicorn gives it 30 s for its whole start, then replaces it."""

CORE_STOP_S = 1.0
"""For how long the server's own services may stop, in seconds."""

_log = logging.getLogger(__name__)


async def prepare(prepared: Prepared) -> None:
    """Bring the database up to date and check that workers will be able to start.

    Raises:
        StartupError: the database cannot be reached, migrations are refused, or pending while
            ``auto_migrate`` is off, or a plugin cannot work with its settings, or clashes with another.
    """
    await migrate(prepared)
    await rehearse(prepared)


async def rehearse(prepared: Prepared) -> None:
    """Run what can fail in a worker, once, without serving; what it counts is not shown.

    Raises:
        StartupError: as ``prepare``, but for migrations.
    """
    metrics = MetricsRegistry(counts=False)
    async with partly(prepared, (database, engine, plugins, authentication, rest_api), metrics):
        pass


class Boot:
    """What the steps hand on to one another; each attribute is set by the step that its comment names."""

    pool: Pool  # database
    tenants: TenantRepository  # database
    locks: Locks  # database
    leadership: Leadership  # database
    engine: Engine  # engine
    registry: PluginRegistry  # plugins
    routes: Sequence[RestRoute]  # plugins: the server's own
    rest_auth: AuthStack  # authentication
    grpc_auth: AuthStack  # authentication
    observers: CallObservers  # authentication
    listening: Notifications  # background
    app: AsgiApp  # rest_api
    drain: Callable[[], asyncio.Task[None]]  # grpc_api

    def __init__(self, prepared: Prepared, metrics: MetricsRegistry) -> None:
        self.prepared = prepared
        self.edition = prepared.edition
        self.settings = prepared.settings
        self.clock = SystemClock()
        self.metrics = metrics
        self.process = ServerProcess()
        self.call_caps = CallCaps(prepared.settings.limits)
        self.draining_since: float | None = None

    @property
    def draining(self) -> bool:
        """Whether the worker is on its way out."""
        return self.draining_since is not None


@asynccontextmanager
async def database(boot: Boot) -> AsyncIterator[None]:
    """Open the connection pool; make the configured tenants exist before anything can need them."""
    settings = boot.settings
    wait = min(settings.database.startup_wait, LONGEST_WAIT_S)
    async with open_pool(settings.database_url.get_secret_value(), settings.database, wait) as boot.pool:
        boot.tenants = TenantRepository(boot.pool)
        await boot.tenants.upsert(configured_tenants(settings))
        boot.locks = Locks(settings.database_url.get_secret_value())
        boot.leadership = Leadership(boot.locks)
        try:
            yield
        finally:
            await boot.locks.close()


@asynccontextmanager
async def engine(boot: Boot) -> AsyncIterator[None]:
    """Start the engine; at the end, everything it accepted is committed."""
    limits, longest = boot.settings.engine, boot.settings.database.statement_timeout
    notify = partial(_notify, boot.pool)
    boot.engine = Engine(boot.pool, limits, clock=boot.clock, notify=notify, longest_statement=longest)
    try:
        yield
    finally:
        await boot.engine.close()


async def _notify(pool: Pool, channel: str, payloads: list[str]) -> None:
    async with pool.connection() as connection:
        await connection.execute(NOTIFY, {"channel": channel, "payloads": payloads})


@asynccontextmanager
async def plugins(boot: Boot) -> AsyncIterator[None]:
    """Make the plugins, set them up with the server's services, and check their declarations as a set."""
    boot.registry = load_plugins(boot.edition, boot.prepared.sources)
    boot.registry.setup(partial(_services, boot))
    silence = boot.settings.engine.worker_silence
    boot.routes = server_routes(boot.pool, boot.engine, silence, boot.metrics, partial(openapi, boot))
    boot.registry.check(server_names(boot.routes), boot.edition.contributions)
    yield


def openapi(boot: Boot) -> dict[str, Any]:
    """Return the OpenAPI document."""
    return document(boot.edition.build_info, _all_routes(boot), boot.registry.openapi())


def _services(boot: Boot, plugin: Plugin, settings: BaseModel | None) -> PluginServices:
    name = sql_name(plugin.name)
    return PluginServices(
        database=boot.pool,
        clock=boot.clock,
        tenants=boot.tenants,
        workflows=EngineWorkflowLauncher(boot.engine),
        tasks=EngineTaskLauncher(boot.engine),
        promises=EnginePromiseResolver(boot.engine),
        settings=settings,
        build_info=boot.edition.build_info,
        logger=logging.getLogger(f"plugins.{name}"),
        metrics=boot.metrics.of(name),
        exclusively=lambda work: boot.locks.exclusively(f"{plugin.name}/{work}"),
        leading=lambda: boot.leadership.leading(),  # noqa: PLW0108 - the build describes plugins without a database
        development=boot.prepared.development,
    )


@asynccontextmanager
async def authentication(boot: Boot) -> AsyncIterator[None]:
    """Build one stack of checks per protocol, and who observes calls."""
    plans = boot.prepared.auth
    authenticators, authorizers = enabled(plans)
    made = boot.registry.collect_authenticators(sorted(authenticators))
    by_name = boot.registry.collect_authorizers(sorted(authorizers))
    keys = boot.settings.auth.static_api_key
    guesses = FailureLimit(keys.max_failures, keys.failures_per_minute)
    boot.rest_auth, boot.grpc_auth = (
        build_stack(boot.settings, protocol, plans[protocol], made, by_name, guesses=guesses)
        for protocol in (Protocol.REST, Protocol.GRPC)
    )
    for protocol, plan in plans.items():
        for paths, checks in plan.all_checks():
            if not checks.authenticators:
                _log.warning("calls over %s are NOT authenticated (%s): the configuration says so", protocol, paths)
    boot.observers = CallObservers(boot.registry.observers(), boot.clock)
    yield


@asynccontextmanager
async def background(boot: Boot) -> AsyncIterator[None]:
    """Run the background services: some in every process, and in the one that leads those that look for work of all."""
    dsn = boot.settings.database_url.get_secret_value()
    engine, own = boot.engine, boot.engine.expected
    received = channels(engine, boot.locks, boot.leadership)
    boot.listening = Notifications(dsn, received, engine.wake_all, boot.process)
    sweeping = sweepers(engine, boot.settings.engine)
    watching = watches(boot.pool, engine)
    services: list[Service] = [
        boot.listening,
        boot.leadership,
        DueService("timer firer", engine.timers.fire_due, own.timers),
        DueService("promise expirer", engine.promises.expire_due, own.promises),
        DueService("canceller", engine.workflows.carry_out_cancellations, own.cancellations),
        DueService("schedule runner", engine.schedules.run_due, engine.schedules.next_due),
        *engine.services,
        *(ServiceWithin(each, boot.leadership.leading) for each in (*watching, *sweeping)),
    ]
    supervisor = Supervisor(services)
    supervisor.start()
    try:
        yield
    finally:
        await engine.orphans.end(boot.process.number)  # while the process still holds its lock
        await supervisor.stop(within=CORE_STOP_S)


@asynccontextmanager
async def rest_api(boot: Boot) -> AsyncIterator[None]:
    """Build the app; gunicorn serves it once all steps are done."""

    async def why_not_ready() -> dict[str, str | None]:
        stopping = "the server is stopping" if boot.draining else None
        return {"database": await boot.pool.writes.why_not(), "serving": stopping}

    admission = Admission(boot.rest_auth, boot.observers, boot.call_caps)
    guard = Guard(admission, boot.tenants, boot.engine.repeats)
    boot.app = build_app(_all_routes(boot), guard, Health(boot.edition.build_info, why_not_ready))
    yield


def _all_routes(boot: Boot) -> list[RestRoute]:
    return [*boot.routes, *boot.registry.build_rest_router()]


@asynccontextmanager
async def grpc_api(boot: Boot) -> AsyncIterator[None]:
    """Serve gRPC; ``boot.drain`` ends it, from the moment of a stop signal on."""
    from server.grpc_api.guard import Guard as GrpcGuard
    from server.grpc_api.server import GrpcServer

    settings = boot.settings
    connections = boot.engine.tasks.connections
    admission = Admission(boot.grpc_auth, boot.observers, boot.call_caps)
    guard = GrpcGuard(admission, boot.engine.repeats, connections)
    server = GrpcServer(grpc_services(boot), guard, settings.limits, share(settings).grpc)
    draining: list[asyncio.Task[None]] = []

    def drain() -> asyncio.Task[None]:
        if not draining:
            boot.draining_since = asyncio.get_running_loop().time()
            boot.engine.drain()
            draining.append(asyncio.create_task(server.drain(grace=max(1, settings.process.drain_timeout - 3))))
        return draining[0]

    boot.drain = drain
    with suppress(TimeoutError):  # the first claims then carry the number of the process
        await asyncio.wait_for(boot.listening.connected.wait(), LOCKED_WITHIN_S)
    await server.start(settings.bind_host, settings.grpc_server_port)
    try:
        yield
    finally:
        await drain()
        await boot.observers.close()


def grpc_services(boot: Boot) -> list[GrpcService]:
    """Return the services of the server and of its plugins."""
    from server.grpc_api.services.task_execution import TaskExecution
    from server.grpc_api.services.worker_lifecycle import WorkerLifecycle
    from server.grpc_api.services.workflow_dispatch import WorkflowDispatch
    from server.grpc_api.services.workflow_query import WorkflowQuery

    hold = boot.settings.engine.poll_hold_ms / 1000
    return [
        WorkflowDispatch(boot.engine, boot.process.claim, boot.clock, hold).service(),
        WorkflowQuery().service(),
        TaskExecution(boot.engine, boot.process.claim, hold).service(),
        WorkerLifecycle(boot.engine.workers).service(),
        *boot.registry.grpc_services(),
    ]


@asynccontextmanager
async def plugin_hooks(boot: Boot) -> AsyncIterator[None]:
    """Run the plugins' start-up hooks and background services, and the shutdown hooks when no call is left."""
    supervisor = Supervisor(boot.registry.background_services())
    try:
        await boot.registry.startup()
        supervisor.start()
        yield
    finally:
        loop = asyncio.get_running_loop()
        budget = _left_for_plugins(boot)
        ends = loop.time() + budget
        await supervisor.stop(within=budget / 2)
        await boot.registry.shutdown(within=ends - loop.time())


def _left_for_plugins(boot: Boot) -> float:
    """Return for how many seconds plugins may stop, so that the engine is closed before the worker is killed."""
    now = asyncio.get_running_loop().time()
    used = 0 if boot.draining_since is None else now - boot.draining_since
    return max(1.0, boot.settings.process.drain_timeout - 4 - used)


Step = Callable[[Boot], AbstractAsyncContextManager[None]]

STEPS: tuple[Step, ...] = (
    database,
    engine,
    plugins,
    authentication,
    background,
    plugin_hooks,
    rest_api,
    grpc_api,
)


@asynccontextmanager
async def running(prepared: Prepared) -> AsyncIterator[Boot]:
    """Run all steps of a worker process; leaving the context shuts down what they started."""
    async with partly(prepared, STEPS) as boot:
        yield boot


@asynccontextmanager
async def partly(
    prepared: Prepared, steps: Sequence[Step], metrics: MetricsRegistry | None = None
) -> AsyncIterator[Boot]:
    """Run some of the steps, in order: for the rehearsal, and for commands that need a part of the server."""
    boot = Boot(prepared, metrics or MetricsRegistry())
    async with AsyncExitStack() as stack:
        for step in steps:
            await stack.enter_async_context(step(boot))
        yield boot
