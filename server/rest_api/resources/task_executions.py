"""``…/task-executions``: standalone tasks. The tasks of a workflow are below the path of the workflow."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import falcon.asgi

from core.auth import Action
from core.endpoints import RestRoute
from core.errors import InvalidInput, NotFound
from core.launchers import TaskLaunch
from core.paging import Cursors
from server.domain.task_view import TaskView
from server.engine.engine import TaskCalls
from server.rest_api.answers import answer_list, body_in_turn
from server.rest_api.fields import idempotency_key, path_id, payload
from server.rest_api.list_fields import View
from server.rest_api.resources.task_models import (
    AttemptBody,
    Attempts,
    CreatedTask,
    CreateTask,
    LogLineBody,
    LogQuery,
    TaskBody,
    TaskList,
    TaskLog,
    TaskQuery,
    TaskSummaryBody,
    WorkflowTasks,
)
from server.rest_api.tenant_paths import canonical, older
from server.storage.task_views import TaskViewRepository

TAG = "tasks"
MAX_TASKS_OF_WORKFLOW = 10_000

_PATH = "/task-executions"
_OLDER = "/tasks"
_OF_WORKFLOW = "/workflow-executions/{id}/tasks"

Request = falcon.asgi.Request
Response = falcon.asgi.Response


class TaskExecutions:
    """Routes and handlers of tasks."""

    def __init__(self, tasks: TaskCalls, views: TaskViewRepository, cursors: Cursors) -> None:
        self._tasks = tasks
        self._views = views
        self._cursors = cursors

    def routes(self) -> list[RestRoute]:
        """Return the routes."""
        view = partial(self._route, "GET", action=Action.VIEW)
        one, attempts, logs = "/{id}", "/{id}/attempts", "/{id}/logs"
        return [
            self._route(
                "POST",
                "",
                self.create,
                "Create a standalone task",
                action=Action.CREATE,
                request_model=CreateTask,
                response_model=CreatedTask,
                status=201,
                more_statuses=(200,),
            ),
            view("", self.list, "List standalone tasks, newest first", query_model=TaskQuery, response_model=TaskList),
            view(one, self.get, "Get a standalone task", response_model=TaskBody),
            self._route(
                "DELETE", one, self.delete, "Delete a pending standalone task", action=Action.DELETE, status=204
            ),
            view(attempts, self.attempts, "The attempts at a standalone task", response_model=Attempts),
            view(logs, self.logs, "The log of a standalone task", query_model=LogQuery, response_model=TaskLog),
            *self._of_workflow(),
        ]

    def _route(
        self, method: str, path: str, handler: Callable[..., Any], summary: str, *, action: Action, **more: Any
    ) -> RestRoute:
        aliases = older(_PATH + path, _OLDER + path)
        place = canonical(_PATH + path)
        return RestRoute(method, place, handler, action, "task-execution", summary, aliases=aliases, tag=TAG, **more)

    def _of_workflow(self) -> list[RestRoute]:
        parts: list[tuple[str, Callable[..., Any], str, dict[str, Any]]] = [
            ("", self.of_workflow, "The tasks of a workflow", {"response_model": WorkflowTasks}),
            ("/{task_id}/attempts", self.attempts_of_workflow, "The attempts at a task", {"response_model": Attempts}),
            (
                "/{task_id}/logs",
                self.logs_of_workflow,
                "The log of a task",
                {"query_model": LogQuery, "response_model": TaskLog},
            ),
        ]
        return [
            RestRoute(
                "GET",
                canonical(_OF_WORKFLOW + path),
                handler,
                Action.VIEW,
                "task-execution",
                summary,
                aliases=(*older(_OF_WORKFLOW + path), f"/api/v1/workflows/{{id}}/tasks{path}"),
                tag=TAG,
                **more,
            )
            for path, handler, summary, more in parts
        ]

    async def create(self, request: Request, response: Response) -> None:
        """Create a task: 201, or 200 when the task of its idempotency key exists."""
        body: CreateTask = request.context.body
        tenant_id: UUID = request.context.tenant_id
        key = idempotency_key(body.idempotency_key, body.idempotency_key_ttl)
        launch = TaskLaunch(
            tenant_id=tenant_id,
            kind=body.kind,
            input=payload(body.input, "input"),
            queue=body.queue,
            max_retries=body.max_retries,
            metadata=body.metadata,
            idempotency_key=key,
        )
        launched = await self._tasks.start(launch, scheduled_at=body.scheduled_at)
        task = await self._views.get(tenant_id, launched.id)
        if task is None:
            raise NotFound(f"task {launched.id} was created and then deleted by another call")
        response.status = 201 if launched.is_new else 200
        response.media = {
            **await body_in_turn(task, TaskBody.of),
            "idempotencyKeyUsed": key is not None,
            "idempotencyKeyNew": launched.is_new,
        }

    async def list(self, request: Request, response: Response) -> None:
        """List standalone tasks, newest first."""
        query: TaskQuery = request.context.query
        tenant_id: UUID = request.context.tenant_id
        paging = await self._cursors.paging(TaskList.__name__, tenant_id, query)
        if query.view is View.SUMMARY:
            summaries, members = await self._views.summaries(query.wanted(tenant_id), paging)
            page = TaskList(tasks=[], **members)
            await answer_list(response, page, "tasks", summaries, TaskSummaryBody.of_summary)
            return
        tasks, members = await self._views.page(query.wanted(tenant_id), paging)
        await answer_list(response, TaskList(tasks=[], **members), "tasks", tasks, TaskBody.of)

    async def get(self, request: Request, response: Response, id: str) -> None:  # noqa: A002 - the path's name
        """Return a standalone task."""
        response.media = await body_in_turn(await self._standalone(request, id), TaskBody.of)

    async def delete(self, request: Request, _response: Response, id: str) -> None:  # noqa: A002
        """Delete a standalone task that no worker has claimed."""
        task_id = path_id(id, "task")
        if not await self._views.delete(request.context.tenant_id, task_id):
            task = await self._standalone(request, id)
            raise InvalidInput(f"task {id} is {task.status}; only a pending task can be deleted")

    async def attempts(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Return the attempts at a standalone task."""
        await self._show_attempts(await self._standalone(request, id), response)

    async def logs(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Return a page of the log of a standalone task."""
        await self._show_logs(await self._standalone(request, id), request, response)

    async def of_workflow(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Return the tasks of a workflow, oldest first."""
        workflow_id = path_id(id, "workflow execution")
        tasks = await self._views.of_workflow(request.context.tenant_id, workflow_id, MAX_TASKS_OF_WORKFLOW)
        if not tasks and not await self._views.is_workflow(request.context.tenant_id, workflow_id):
            raise NotFound(f"there is no workflow execution {workflow_id} in this tenant")
        await answer_list(response, WorkflowTasks(tasks=[]), "tasks", tasks, TaskBody.of)

    async def attempts_of_workflow(self, request: Request, response: Response, id: str, task_id: str) -> None:  # noqa: A002
        """Return the attempts at a workflow's task."""
        await self._show_attempts(await self._owned(request, id, task_id), response)

    async def logs_of_workflow(self, request: Request, response: Response, id: str, task_id: str) -> None:  # noqa: A002
        """Return a page of the log of a workflow's task."""
        await self._show_logs(await self._owned(request, id, task_id), request, response)

    async def _standalone(self, request: Request, ident: str) -> TaskView:
        task = await self._views.get(request.context.tenant_id, path_id(ident, "task"))
        if task is None or (task.workflow_execution_id or task.agent_execution_id) is not None:
            raise NotFound(f"there is no standalone task {ident} in this tenant")
        return task

    async def _owned(self, request: Request, workflow_id: str, ident: str) -> TaskView:
        task = await self._views.get(request.context.tenant_id, path_id(ident, "task"))
        if task is None or task.workflow_execution_id != path_id(workflow_id, "workflow execution"):
            raise NotFound(f"there is no task {ident} of the workflow execution {workflow_id} in this tenant")
        return task

    async def _show_attempts(self, task: TaskView, response: Response) -> None:
        attempts = await self._views.attempts(task.tenant_id, task.id)
        await answer_list(response, Attempts(attempts=[]), "attempts", attempts, AttemptBody.of)

    async def _show_logs(self, task: TaskView, request: Request, response: Response) -> None:
        query: LogQuery = request.context.query
        lines, total = await self._views.logs(task.tenant_id, task.id, query.level, query.limit, query.offset)
        page = TaskLog(task_execution_id=task.id, logs=[], total=total, limit=query.limit, offset=query.offset)
        await answer_list(response, page, "logs", lines, LogLineBody.of)
