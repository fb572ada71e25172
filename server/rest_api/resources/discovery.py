"""``…/workers``, ``…/workflow-definitions`` and ``…/task-definitions``: the workers of a tenant and their kinds."""

from __future__ import annotations

import json
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any
from uuid import UUID

import falcon.asgi
from pydantic import Field

from core.auth import Action
from core.endpoints import RestRoute
from core.errors import NotFound
from core.payload import readable
from core.rest_model import Page, PageQuery, Payload, RestModel
from server.domain.worker import Category
from server.domain.worker_view import DefinitionView, WorkerView
from server.rest_api.answers import answer_list, body_in_turn
from server.rest_api.fields import path_id, shown
from server.rest_api.tenant_paths import canonical, older
from server.storage.worker_views import WorkerViewRepository

TAG = "discovery"

Request = falcon.asgi.Request
Response = falcon.asgi.Response


class WorkerStatus(StrEnum):
    """Liveness of a worker: whether it polled, or sent a heartbeat, lately."""

    ONLINE = "ONLINE"
    OFFLINE = "OFFLINE"


class Availability(StrEnum):
    """Availability of a kind: all, some or none of its workers are online."""

    AVAILABLE = "AVAILABLE"
    DEGRADED = "DEGRADED"
    UNAVAILABLE = "UNAVAILABLE"


class WorkerType(StrEnum):
    """The executions that a worker polls for."""

    WORKFLOW = "WORKFLOW"
    TASK = "TASK"
    UNIFIED = "UNIFIED"


class WorkerQuery(PageQuery):
    """Query of a list of workers."""

    worker_type: WorkerType | None = Field(default=None, alias="type")


class WorkerBody(RestModel):
    """A worker."""

    id: UUID
    worker_name: str
    worker_version: str
    worker_type: str
    status: WorkerStatus
    host_name: str
    process_id: str
    team_id: str | None
    registered_at: datetime
    last_heartbeat_at: datetime
    workflows: list[str]
    tasks: list[str]
    metadata: Payload

    @classmethod
    def of(cls, worker: WorkerView) -> WorkerBody:
        """Return the body of a worker."""
        same = {name: getattr(worker, name) for name in cls.model_fields if name not in ("status", "metadata")}
        status = WorkerStatus.ONLINE if worker.is_online else WorkerStatus.OFFLINE
        return cls(**same, status=status, metadata=shown(worker.metadata))


class WorkerList(Page):
    """A page of workers, by name."""

    workers: list[WorkerBody]


class DefinitionBody(RestModel):
    """A workflow kind or task kind, as the last registration of it says."""

    id: UUID
    kind: str
    name: str
    description: str
    version: str
    content_hash: str
    timeout_seconds: int | None
    cancellable: bool
    tags: list[str]
    retry_policy: Payload
    input_schema: Payload
    output_schema: Payload
    metadata: Payload
    availability: Availability
    workers: list[str]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, definition: DefinitionView) -> DefinitionBody:
        """Return the body of a definition."""
        documents = ("retry_policy", "input_schema", "output_schema", "metadata")
        members = {name: getattr(definition, name) for name in cls.model_fields if name != "availability"}
        members |= {name: shown(members[name]) for name in documents}
        members["tags"] = json.loads(readable(definition.tags))
        return cls(**members, availability=_availability(definition))


class WorkflowDefinitions(Page):
    """A page of workflow kinds."""

    workflow_definitions: list[DefinitionBody]


class TaskDefinitions(Page):
    """A page of task kinds."""

    task_definitions: list[DefinitionBody]


def _availability(definition: DefinitionView) -> Availability:
    if not definition.online:
        return Availability.UNAVAILABLE
    return Availability.AVAILABLE if definition.online == len(definition.workers) else Availability.DEGRADED


class Discovery:
    """Routes and handlers of workers and kinds."""

    def __init__(self, views: WorkerViewRepository) -> None:
        self._views = views

    def routes(self) -> list[RestRoute]:
        """Return the routes."""

        def view(path: str, handler: Any, resource: str, summary: str, **more: Any) -> RestRoute:
            place, aliases = canonical(path), older(path)
            return RestRoute("GET", place, handler, Action.VIEW, resource, summary, aliases=aliases, tag=TAG, **more)

        kinds = (
            (Category.WORKFLOW, "/workflow-definitions", "workflow-definition", WorkflowDefinitions),
            (Category.TASK, "/task-definitions", "task-definition", TaskDefinitions),
        )
        return [
            view(
                "/workers",
                self.workers,
                "worker",
                "List workers by name",
                query_model=WorkerQuery,
                response_model=WorkerList,
            ),
            view("/workers/{id}", self.worker, "worker", "Get a worker", response_model=WorkerBody),
            *(
                view(
                    path,
                    partial(self.definitions, category, model),
                    resource,
                    f"List {path[1:].replace('-', ' ')} by kind",
                    query_model=PageQuery,
                    response_model=model,
                )
                for category, path, resource, model in kinds
            ),
            *(
                view(
                    path + "/{kind}",
                    partial(self.definition, category),
                    resource,
                    f"Get a {resource.replace('-', ' ')}",
                    response_model=DefinitionBody,
                    resource_id="kind",
                )
                for category, path, resource, _ in kinds
            ),
        ]

    async def workers(self, request: Request, response: Response) -> None:
        """List workers by name."""
        query: WorkerQuery = request.context.query
        tenant_id: UUID = request.context.tenant_id
        workers, total = await self._views.workers(tenant_id, query.worker_type, query.limit, query.offset)
        page = WorkerList(workers=[], total=total, limit=query.limit, offset=query.offset)
        await answer_list(response, page, "workers", workers, WorkerBody.of)

    async def worker(self, request: Request, response: Response, id: str) -> None:  # noqa: A002 - the path's name
        """Return a worker."""
        worker = await self._views.worker(request.context.tenant_id, path_id(id, "worker"))
        if worker is None:
            raise NotFound(f"there is no worker {id} in this tenant")
        response.media = await body_in_turn(worker, WorkerBody.of)

    async def definitions(
        self,
        category: Category,
        model: type[WorkflowDefinitions | TaskDefinitions],
        request: Request,
        response: Response,
    ) -> None:
        """List definitions by kind."""
        query: PageQuery = request.context.query
        found, total = await self._views.definitions(request.context.tenant_id, category, query.limit, query.offset)
        member = f"{category.lower()}_definitions"
        page = model.model_validate({member: [], "total": total, "limit": query.limit, "offset": query.offset})
        await answer_list(response, page, member, found, DefinitionBody.of)

    async def definition(self, category: Category, request: Request, response: Response, kind: str) -> None:
        """Return a definition."""
        found = await self._views.definition(request.context.tenant_id, category, kind)
        if found is None:
            raise NotFound(f"no worker of this tenant has registered the {category.lower()} kind {kind!r}")
        response.media = await body_in_turn(found, DefinitionBody.of)
