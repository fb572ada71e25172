"""Steps: the plugins of the process, and their start-up and shutdown hooks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import BaseModel

from core.clock import Clock
from core.endpoints import RestRoute
from core.migration import sql_name
from core.paging import Cursors
from core.plugin import Plugin
from core.plugin_services import PluginServices
from server.auth.sessions import BrowserSessions
from server.background.supervisor import Supervisor
from server.boot.database import DatabaseParts
from server.boot.preparation import Prepared, load_plugins
from server.boot.stopping import Stopping
from server.config import Settings
from server.engine.engine import Engine
from server.engine.launchers import (
    EngineAgentLauncher,
    EnginePromiseResolver,
    EngineTaskLauncher,
    EngineWorkflowLauncher,
)
from server.observability.metrics import MetricsRegistry
from server.plugin_registry import PluginRegistry
from server.plugin_registry.server_names import server_names
from server.rest_api.browsers import Browsers
from server.rest_api.call import BrowserCalls
from server.rest_api.openapi import document
from server.rest_api.pages import Pages
from server.rest_api.resources.scrape import Scrape
from server.rest_api.routes import server_routes
from server.storage.browser_sessions import SessionRepository
from server.storage.depths import DepthRepository
from server.storage.signing_keys import CURSORS, SigningKeyRepository


@dataclass(frozen=True, slots=True)
class Plugins:
    """The checked plugins, and the routes and the OpenAPI document of the whole server.

    Attributes:
        registry: the plugins.
        server_routes: the server's own routes.
        scrape: makes the answers to scrapes.
        browser_calls: the sessions of browsers.
        routes: those and the plugins'.
    """

    prepared: Prepared
    registry: PluginRegistry
    server_routes: Sequence[RestRoute]
    scrape: Scrape
    browser_calls: BrowserCalls

    @property
    def routes(self) -> list[RestRoute]:
        """All routes of the server, at their final paths."""
        return [*self.server_routes, *self.registry.build_rest_router()]

    @property
    def pages(self) -> Pages:
        """The sites of all plugins."""
        return Pages(self.registry.sites(), self.browser_calls.browsers)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        return document(self.prepared.edition.build_info, self.routes, self.registry.openapi())


def make_plugins(
    prepared: Prepared, database: DatabaseParts, engine: Engine, metrics: MetricsRegistry, clock: Clock
) -> Plugins:
    """Make the plugins, set them up with the server's services, and check their declarations as a set.

    Raises:
        StartupError: a plugin cannot work with its settings, clashes with another, or has changed since the build.
    """
    cursors = Cursors(partial(SigningKeyRepository(database.pool).key, CURSORS), clock)

    def services(plugin: Plugin, settings: BaseModel | None) -> PluginServices:
        name = sql_name(plugin.name)
        return PluginServices(
            database=database.pool,
            clock=clock,
            tenants=database.tenants,
            workflows=EngineWorkflowLauncher(engine),
            tasks=EngineTaskLauncher(engine),
            promises=EnginePromiseResolver(engine),
            agents=EngineAgentLauncher(engine),
            settings=settings,
            build_info=prepared.edition.build_info,
            logger=logging.getLogger(f"plugins.{name}"),
            metrics=metrics.of(name),
            exclusively=lambda work: database.locks.exclusively(f"{plugin.name}/{work}"),
            leading=database.leadership.leading,
            cursors=cursors,
            development=prepared.development,
            snapshots=metrics.snapshots,
        )

    registry = load_plugins(prepared.edition, prepared.sources)
    registry.setup(services)
    scrape, browsers = _scrape(prepared, database, registry, metrics), _browser_calls(prepared.settings, database)
    own = server_routes(
        database.pool,
        database.lists,
        engine,
        worker_silence=prepared.settings.engine.worker_silence,
        scrape=scrape,
        cursors=cursors,
        make_document=lambda: plugins.openapi(),  # noqa: PLW0108 - bound below
        browser_calls=browsers,
        console_pages=registry.console_pages,
        build_info=prepared.edition.build_info,
        owners=registry.owners,
    )
    plugins = Plugins(prepared, registry, own, scrape, browsers)
    registry.check(server_names(own), prepared.edition.contributions)
    return plugins


def _scrape(prepared: Prepared, database: DatabaseParts, registry: PluginRegistry, metrics: MetricsRegistry) -> Scrape:
    counted = prepared.settings.metrics
    return Scrape(
        metrics,
        DepthRepository(database.pool),
        queues=counted.queues,
        tenants=counted.tenants or (),
        migrations={each.name: [one.version for one in each.migrations] for each in registry.owners()},
    )


def _browser_calls(settings: Settings, database: DatabaseParts) -> BrowserCalls:
    sessions = BrowserSessions(SessionRepository(database.pool), settings.sessions)
    return BrowserCalls(sessions, Browsers(settings.base_path or "", frozenset(settings.sessions.origins or ())))


@asynccontextmanager
async def run_plugins(registry: PluginRegistry, stopping: Stopping) -> AsyncIterator[None]:
    """Run the plugins' start-up hooks and background services, and the shutdown hooks when no call is left."""
    supervisor = Supervisor(registry.background_services())
    try:
        await registry.startup()
        supervisor.start()
        yield
    finally:
        loop = asyncio.get_running_loop()
        seconds = stopping.left_for_plugins()
        ends = loop.time() + seconds
        await supervisor.stop(within=seconds / 2)
        await registry.shutdown(within=ends - loop.time())
