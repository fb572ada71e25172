"""All routes of the server itself; plugins bring theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from core.endpoints import RestRoute
from core.plugin_services import Database
from server.engine.engine import Engine
from server.observability.metrics import MetricsRegistry
from server.rest_api.resources.discovery import Discovery
from server.rest_api.resources.docs import Docs
from server.rest_api.resources.metrics import MetricsText
from server.rest_api.resources.promises import PromiseSettlements
from server.rest_api.resources.schedules import ScheduleRoutes
from server.rest_api.resources.streams import StreamResources
from server.rest_api.resources.task_executions import TaskExecutions
from server.rest_api.resources.tenants import Tenants
from server.rest_api.resources.workflow_executions import WorkflowExecutions
from server.storage.task_views import TaskViewRepository
from server.storage.tenants import TenantRepository
from server.storage.worker_views import WorkerViewRepository
from server.storage.workflow_views import WorkflowViewRepository


def server_routes(
    database: Database,
    engine: Engine,
    worker_silence: float,
    metrics: MetricsRegistry,
    make_document: Callable[[], Mapping[str, Any]],
) -> list[RestRoute]:
    """Return the routes; ``worker_silence`` is in seconds, ``make_document`` makes the OpenAPI document."""
    tasks = TaskViewRepository(database)
    return [
        *Tenants(TenantRepository(database)).routes(),
        *WorkflowExecutions(engine, WorkflowViewRepository(database)).routes(),
        *PromiseSettlements(engine.promises).routes(),
        *ScheduleRoutes(engine.schedules).routes(),
        *TaskExecutions(engine.tasks, tasks).routes(),
        *StreamResources(engine.streams, tasks).routes(),
        *Discovery(WorkerViewRepository(database, worker_silence)).routes(),
        *MetricsText(metrics).routes(),
        *Docs(make_document).routes(),
    ]
