"""All routes of the server itself, without those of plugins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import falcon.asgi

from core.auth import Action
from core.build_info import BuildInfo
from core.endpoints import RestRoute, Scope
from core.pages import ConsolePage
from core.paging import Cursors
from core.plugin_services import Database
from server.engine.engine import Engine
from server.migrator.history import Owner
from server.observability.exposition import CONTENT_TYPE
from server.rest_api.call import BrowserCalls
from server.rest_api.resources.agent_executions import AgentExecutions
from server.rest_api.resources.bulk import BulkChanges
from server.rest_api.resources.discovery import Discovery
from server.rest_api.resources.docs import Docs
from server.rest_api.resources.edition import EditionResource
from server.rest_api.resources.promises import PromiseResources
from server.rest_api.resources.queues import Queues
from server.rest_api.resources.schedules import ScheduleRoutes
from server.rest_api.resources.scrape import Scrape
from server.rest_api.resources.sessions import SessionResources
from server.rest_api.resources.streams import StreamResources
from server.rest_api.resources.task_executions import TaskExecutions
from server.rest_api.resources.tenants import Tenants
from server.rest_api.resources.workflow_executions import WorkflowExecutions
from server.storage.agent_views import AgentViewRepository
from server.storage.applied_migrations import AppliedMigrationRepository
from server.storage.promise_views import PromiseViewRepository
from server.storage.queues import QueueRepository
from server.storage.task_views import TaskViewRepository
from server.storage.tenants import TenantRepository
from server.storage.worker_views import WorkerViewRepository
from server.storage.workflow_views import WorkflowViewRepository


def server_routes(
    database: Database,
    lists: Database,
    engine: Engine,
    *,
    worker_silence: float,
    scrape: Scrape,
    cursors: Cursors,
    make_document: Callable[[], Mapping[str, Any]],
    browser_calls: BrowserCalls,
    console_pages: Callable[[], Sequence[tuple[str, ConsolePage]]],
    build_info: BuildInfo,
    owners: Callable[[], Sequence[Owner]],
) -> list[RestRoute]:
    """Return the routes.

    Args:
        database: the primary.
        lists: for pages of lists and histories; see ``server.database.standby``.
        engine: the engine.
        worker_silence: in seconds.
        scrape: makes the text of the metrics.
        cursors: signs cursors.
        make_document: makes the OpenAPI document.
        browser_calls: the sessions of browsers.
        console_pages: the pages that plugins add to the console.
        build_info: facts about the edition.
        owners: returns the core and the plugins with their migrations.
    """
    tasks, agents = TaskViewRepository(database, lists), AgentViewRepository(database, lists)
    tenants = TenantRepository(database)
    return [
        *SessionResources(browser_calls.sessions, browser_calls.browsers, tenants, console_pages).routes(),
        *Tenants(tenants, cursors).routes(),
        *WorkflowExecutions(engine, WorkflowViewRepository(database, lists), cursors).routes(),
        *BulkChanges(engine, WorkflowViewRepository(database), cursors).routes(),
        *AgentExecutions(engine, agents, tasks, cursors).routes(),
        *PromiseResources(engine.promises, PromiseViewRepository(lists), cursors).routes(),
        *ScheduleRoutes(engine.schedules, cursors).routes(),
        *TaskExecutions(engine.tasks, tasks, cursors).routes(),
        *StreamResources(engine.streams, tasks, agents).routes(),
        *Discovery(WorkerViewRepository(database, worker_silence)).routes(),
        *Queues(QueueRepository(lists, worker_silence)).routes(),
        *EditionResource(build_info, owners, AppliedMigrationRepository(database)).routes(),
        _metrics_route(scrape),
        *Docs(make_document, browser_calls.browsers).routes(),
    ]


def _metrics_route(scrape: Scrape) -> RestRoute:
    async def text(_request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        response.content_type = CONTENT_TYPE
        response.data = await scrape.text()  # of all worker processes

    return RestRoute(
        "GET",
        "/_/metrics",
        text,
        Action.VIEW,
        "metrics",
        "Metrics in the text format of Prometheus",
        scope=Scope.SERVER,
        produces=("text/plain",),
        tag="server",
    )
