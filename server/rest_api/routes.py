"""All routes of the server itself; plugins bring theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from core.endpoints import RestRoute
from core.plugin_services import Database
from server.engine.engine import Engine
from server.engine.schedules.schedules import Schedules
from server.engine.task_engine import TaskEngine
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


@dataclass(frozen=True, slots=True)
class UseCases:
    """What the routes ask the engine for."""

    engine: Engine
    tasks: TaskEngine
    schedules: Schedules


def server_routes(
    database: Database,
    use_cases: UseCases,
    worker_silence: float,
    metrics: MetricsRegistry,
    make_document: Callable[[], Mapping[str, Any]],
) -> list[RestRoute]:
    """Return the routes; ``worker_silence`` is in seconds, ``make_document`` makes the OpenAPI document."""
    tasks = TaskViewRepository(database)
    return [
        *Tenants(TenantRepository(database)).routes(),
        *WorkflowExecutions(use_cases.engine, WorkflowViewRepository(database)).routes(),
        *PromiseSettlements(use_cases.engine.promises).routes(),
        *ScheduleRoutes(use_cases.schedules).routes(),
        *TaskExecutions(use_cases.tasks.starts, tasks).routes(),
        *StreamResources(use_cases.tasks.streams, use_cases.tasks.tail, tasks).routes(),
        *Discovery(WorkerViewRepository(database, worker_silence)).routes(),
        *MetricsText(metrics).routes(),
        *Docs(make_document).routes(),
    ]
