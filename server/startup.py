"""The boot sequence. Read this first.

``prepare`` runs once, in the supervising process, before anything is forked: it finds every
mistake that can be found, brings the database up to date, and fails with one clear message.
``STEPS`` run in every worker process; each is a context that is entered in this order and left in
the opposite one, so the list is the shutdown, too, read backwards.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import falcon.asgi

from core.auth import Protocol
from core.clock import SystemClock
from core.domain.tenant import NewTenant
from core.domain.worker import Category
from core.errors import ConfigError, MigrationError, PluginError, Unavailable
from server.auth.registry import STATIC_API_KEY, build_stack, wanted_authenticators
from server.auth.stack import AuthStack
from server.background.due_service import DueService
from server.background.lease_reaper import LeaseReaper
from server.background.supervisor import Supervisor
from server.background.task_expirer import TaskExpirer
from server.config import Settings
from server.config.load import Sources, load
from server.database.migrator import Migrator
from server.database.notifications import NOTIFY, Notifications
from server.database.pool import Connection, Pool, connect, open_pool
from server.edition import Edition
from server.engine.deliveries import Deliveries
from server.engine.submissions import Submissions
from server.engine.task_notes import TaskNotes
from server.engine.tasks import Tasks
from server.engine.timers import Timers
from server.engine.wakeups import Announcer, Waker, Wakeups, parse_announcement
from server.engine.workflows import Workflows
from server.plugin_registry import PluginRegistry
from server.storage.repositories import Repositories
from server.storage.tenants import TenantRepository

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the supervising process found out and its workers start from."""

    edition: Edition
    sources: Sources
    settings: Settings
    authenticators: Mapping[Protocol, tuple[str, ...]]


def configure(edition: Edition, sources: Sources) -> Prepared:
    """Check the configuration and the set of plugins, without touching the database.

    Raises:
        StartupError: says everything that is wrong.
    """
    settings: Settings | None = None
    registry: PluginRegistry | None = None
    problems = []
    try:
        settings = load(sources)
    except ConfigError as error:
        problems.append(str(error))
    try:
        registry = load_plugins(edition, sources)
    except ConfigError as error:
        problems.append(str(error))
    if settings is None or registry is None:
        raise ConfigError("\n".join(problems))
    return Prepared(edition, sources, settings, wanted_authenticators(settings, registry.authenticator_names()))


def load_plugins(edition: Edition, sources: Sources) -> PluginRegistry:
    """Make the edition's plugins and give them their settings."""
    registry = PluginRegistry()
    for plugin in edition.plugins():
        registry.register(plugin)
    said = [plugin.name for plugin in edition.build_info.plugins]
    found = [plugin.name for plugin in registry.plugins()]
    if sorted(said) != found:
        raise PluginError(f"the edition says that it contains {said}, but its plugins call themselves {found}")
    registry.load_settings(sources)
    return registry


async def prepare(prepared: Prepared) -> None:
    """Bring the database up to date and check that workers will be able to start.

    Raises:
        StartupError: the database cannot be reached, migrations are refused, or pending while
            ``auto_migrate`` is off, or a plugin cannot work with its settings.
    """
    settings = prepared.settings
    registry = load_plugins(prepared.edition, prepared.sources)
    migrator = make_migrator(prepared)
    if settings.auto_migrate:
        await registry.run_migrations(migrator)
    else:
        await _refuse_pending(registry, migrator)
    async with AsyncExitStack() as stack:  # a rehearsal of what can fail in a worker
        boot = Boot(prepared)
        for step in (database, plugins, authentication):
            await stack.enter_async_context(step(boot))


def make_migrator(prepared: Prepared) -> Migrator:
    """Return the migrator of the configured database, with the edition's proofs."""
    edition = prepared.edition
    name = f"{edition.build_info.edition} {edition.build_info.version}"
    return Migrator(lambda: make_connection(prepared.settings), edition.checked_migrations, name)


async def make_connection(settings: Settings) -> Connection:
    """Open one connection to the configured database; see ``server.database.pool.connect``."""
    return await connect(settings.database_url.get_secret_value(), settings.database.connect_timeout)


async def _refuse_pending(registry: PluginRegistry, migrator: Migrator) -> None:
    pending = (await migrator.plan(registry.owners())).pending
    if pending:
        listed = "\n".join(f"  {each}" for each in pending)
        raise MigrationError(f"auto_migrate is off and migrations are pending; run 'flovyn-server migrate':\n{listed}")


def configured_tenants(settings: Settings) -> list[NewTenant]:
    """Return the tenants of the configuration."""
    return [NewTenant(each.id, each.slug, each.name, each.tier, each.region) for each in settings.tenants]


class Boot:
    """What the steps hand on to one another; each attribute is set by the step that its comment names."""

    pool: Pool  # database
    tenants: TenantRepository  # database
    registry: PluginRegistry  # plugins
    rest_auth: AuthStack  # authentication
    grpc_auth: AuthStack  # authentication
    announcer: Announcer  # engine
    wakeups: Mapping[Category, Wakeups]  # engine
    workflows: Workflows  # engine
    deliveries: Deliveries  # engine
    tasks: Tasks  # engine
    submissions: Submissions  # engine
    timers: Timers  # engine
    task_notes: TaskNotes  # engine
    listening: Notifications  # background
    app: falcon.asgi.App[Any, Any]  # rest_api
    drain: Callable[[], asyncio.Task[None]]  # grpc_api

    def __init__(self, prepared: Prepared) -> None:
        """Start from what the supervising process prepared."""
        self.edition = prepared.edition
        self.sources = prepared.sources
        self.settings = prepared.settings
        self.authenticators = prepared.authenticators
        self.draining = False


@asynccontextmanager
async def database(boot: Boot) -> AsyncIterator[None]:
    """Open the connection pool; make the configured tenants exist before anything can need them."""
    settings = boot.settings
    async with open_pool(settings.database_url.get_secret_value(), settings.database) as boot.pool:
        boot.tenants = TenantRepository(boot.pool)
        await boot.tenants.upsert(configured_tenants(settings))
        yield


@asynccontextmanager
async def plugins(boot: Boot) -> AsyncIterator[None]:
    """Make the plugins and lend them the server's services."""
    boot.registry = load_plugins(boot.edition, boot.sources)
    boot.registry.lend(boot.pool, SystemClock(), boot.tenants, boot.edition.build_info)
    yield


@asynccontextmanager
async def authentication(boot: Boot) -> AsyncIterator[None]:
    """Build one authentication stack per protocol."""
    enabled = {name for names in boot.authenticators.values() for name in names} - {STATIC_API_KEY}
    authenticators = boot.registry.collect_authenticators(sorted(enabled))
    authorizers = boot.registry.collect_authorizers()
    boot.rest_auth, boot.grpc_auth = (
        build_stack(boot.settings, protocol, boot.authenticators[protocol], authenticators, authorizers)
        for protocol in (Protocol.REST, Protocol.GRPC)
    )
    for protocol, names in boot.authenticators.items():
        if not names:
            _log.warning("calls over %s are NOT authenticated: the configuration says so", protocol)
    yield


@asynccontextmanager
async def engine(boot: Boot) -> AsyncIterator[None]:
    """Start the engine; at the end, everything it accepted is committed."""
    boot.announcer = Announcer(lambda payloads: _notify(boot.pool, payloads))
    boot.wakeups = {category: Wakeups() for category in Category}
    wakers = {category: Waker(category, wakeups, boot.announcer) for category, wakeups in boot.wakeups.items()}
    wake = wakers[Category.WORKFLOW]
    storage = Repositories(boot.pool)
    boot.workflows = Workflows(storage.runs, boot.wakeups[Category.WORKFLOW], wake)
    boot.deliveries = Deliveries(storage.runs, wake)
    boot.timers = Timers(storage, boot.deliveries)
    boot.submissions = Submissions(storage, wake, boot.timers.next_due)
    boot.tasks = Tasks(boot.pool, boot.wakeups[Category.TASK], wakers[Category.TASK], boot.deliveries)
    boot.task_notes = TaskNotes(boot.pool)
    try:
        yield
    finally:
        await boot.submissions.close()
        await boot.workflows.close()
        await boot.tasks.close()
        await boot.task_notes.close()
        await boot.announcer.close()


async def _notify(pool: Pool, payloads: list[str]) -> None:
    try:
        async with pool.connection() as connection:
            await connection.execute(NOTIFY, {"payloads": payloads})
    except Unavailable:
        _log.warning("other processes could not be told about new work; their pollers find it by themselves")


@asynccontextmanager
async def background(boot: Boot) -> AsyncIterator[None]:
    """Run the background services."""
    dsn = boot.settings.database_url.get_secret_value()

    def received(payload: str) -> None:
        try:
            category, key, kind = parse_announcement(payload)
            boot.wakeups[category].wake(key, kind)
        except ValueError:
            _log.warning("a notification on the server's channel is not the server's; it is ignored")

    def connected() -> None:
        for wakeups in boot.wakeups.values():
            wakeups.wake_all()

    boot.listening = Notifications(dsn, received, connected)
    reaper = LeaseReaper(boot.workflows.reclaim, boot.settings.engine.activation_lease)
    firer = DueService("timer firer", boot.timers.fire_due, boot.timers.next_due)
    supervisor = Supervisor([boot.listening, reaper, firer, TaskExpirer(boot.tasks.expire)])
    supervisor.start()
    try:
        yield
    finally:
        await supervisor.stop()


@asynccontextmanager
async def rest_api(boot: Boot) -> AsyncIterator[None]:
    """Build falcon's app; gunicorn serves it once all steps are done."""
    from server.rest_api.app import build_app
    from server.rest_api.resources.health import Health
    from server.rest_api.resources.tenants import Tenants

    async def is_ready() -> dict[str, bool]:
        return {"database": await _database_answers(boot.pool), "serving": not boot.draining}

    routes = [*Tenants(boot.tenants).routes(), *boot.registry.build_rest_router()]
    boot.app = build_app(routes, boot.rest_auth, boot.tenants, Health(boot.edition.build_info, is_ready))
    yield


async def _database_answers(pool: Pool) -> bool:
    try:
        async with pool.connection() as connection:
            await connection.execute("SELECT 1")
    except Unavailable:
        return False
    return True


@asynccontextmanager
async def grpc_api(boot: Boot) -> AsyncIterator[None]:
    """Serve gRPC; ``boot.drain`` ends it, from the moment of a stop signal on."""
    from server.grpc_api.server import GrpcServer
    from server.grpc_api.services.task_execution import TaskExecution
    from server.grpc_api.services.worker_lifecycle import WorkerLifecycle
    from server.grpc_api.services.workflow_dispatch import WorkflowDispatch
    from server.storage.workers import WorkerRepository

    settings = boot.settings
    services = [
        WorkflowDispatch(boot.workflows, boot.submissions, settings.engine.poll_hold_ms / 1000).service(),
        TaskExecution(boot.tasks, boot.task_notes, settings.engine.poll_hold_ms / 1000).service(),
        WorkerLifecycle(WorkerRepository(boot.pool)).service(),
        *boot.registry.grpc_services(),
    ]
    server = GrpcServer(services, boot.grpc_auth)
    draining: list[asyncio.Task[None]] = []

    def drain() -> asyncio.Task[None]:
        if not draining:
            boot.draining = True
            for wakeups in boot.wakeups.values():
                wakeups.close()
            draining.append(asyncio.create_task(server.drain(grace=max(1, settings.process.drain_timeout - 3))))
        return draining[0]

    boot.drain = drain
    await server.start(settings.bind_host, settings.grpc_server_port)
    try:
        yield
    finally:
        await drain()


@asynccontextmanager
async def plugin_hooks(boot: Boot) -> AsyncIterator[None]:
    """Run the plugins' start-up hooks, and their shutdown hooks when no call is left."""
    try:
        await boot.registry.startup()
        yield
    finally:
        await boot.registry.shutdown()


Step = Callable[[Boot], AbstractAsyncContextManager[None]]

STEPS: tuple[Step, ...] = (
    database,
    plugins,
    authentication,
    engine,
    background,
    plugin_hooks,
    rest_api,
    grpc_api,
)


@asynccontextmanager
async def running(prepared: Prepared) -> AsyncIterator[Boot]:
    """Run all steps of a worker process; leaving the context shuts down what they started."""
    boot = Boot(prepared)
    async with AsyncExitStack() as stack:
        for step in STEPS:
            await stack.enter_async_context(step(boot))
        yield boot
