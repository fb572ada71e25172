"""``…/stream``: the chunks of tasks, and changes of status, as server-sent events."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any
from uuid import UUID

import falcon.asgi
from falcon.asgi import SSEvent

from core.auth import Action
from core.endpoints import RestRoute
from core.errors import FlovynError, NotFound
from core.payload import Json, dump, json_object, payload_of
from server.domain.stream import StreamItem
from server.engine.agents.locked import unknown_agent
from server.engine.engine import StreamCalls
from server.engine.streams.streams import Subscription
from server.rest_api.fields import path_id
from server.rest_api.tenant_paths import canonical, older
from server.storage.agent_views import AgentViewRepository
from server.storage.task_views import TaskViewRepository

TAG = "streams"
KEEP_ALIVE_S = 15.0
IDLE_S = 300.0
"""A stream without events for so long is ended; its client may open it again."""

_LINE_END = re.compile(r"\r\n|\n|\r")

_WORKFLOW, _TASK = "/workflow-executions/{id}/stream", "/task-executions/{id}/stream"
_AGENT = "/agent-executions/{id}/stream"
_RESOURCES = {_WORKFLOW: "workflow-execution", _TASK: "task-execution", _AGENT: "agent"}

Request = falcon.asgi.Request
Response = falcon.asgi.Response
Follow = Callable[[Subscription], AbstractAsyncContextManager[None]]
Text = Callable[[StreamItem, int], tuple[str, str] | None]
"""Returns the id and the data of the event for an item, given its number; None for an item that is not shown."""


class StreamResources:
    """Routes and handlers of streams."""

    def __init__(self, streams: StreamCalls, views: TaskViewRepository, agents: AgentViewRepository) -> None:
        self._streams = streams
        self._views = views
        self._agents = agents

    def routes(self) -> list[RestRoute]:
        """Return the routes."""
        own = "/api/v1/workflows/{id}/stream"
        parts: tuple[tuple[str, Any, str, tuple[str, ...]], ...] = (
            (
                _WORKFLOW,
                self.of_workflow,
                "Stream the chunks of a workflow's tasks",
                (*older(_WORKFLOW, "/stream/workflows/{id}"), own),
            ),
            (
                _WORKFLOW + "/consolidated",
                self.of_family,
                "Stream the chunks of a workflow and all of its descendants",
                (*older(_WORKFLOW + "/consolidated", "/stream/workflows/{id}/consolidated"), own + "/consolidated"),
            ),
            (_TASK, self.of_task, "Stream the chunks of a task", older(_TASK, "/stream/tasks/{id}")),
            (_AGENT, self.of_agent, "Stream the chunks and changes of state of an agent", older(_AGENT)),
            (
                _AGENT + "/consolidated",
                self.of_agent_family,
                "Stream those of an agent, its tasks and all of its descendants",
                older(_AGENT + "/consolidated"),
            ),
        )
        return [
            RestRoute(
                "GET",
                canonical(path),
                handler,
                Action.VIEW,
                _RESOURCES[path.removesuffix("/consolidated")],
                summary,
                aliases=aliases,
                produces=("text/event-stream",),
                tag=TAG,
            )
            for path, handler, summary, aliases in parts
        ]

    async def of_workflow(self, request: Request, response: Response, id: str) -> None:  # noqa: A002 - the path's name
        """Stream a workflow."""
        workflow = await self._get(request, id)
        self._open(
            response, workflow, lambda watch: self._streams.follow_workflow(workflow, watch, descendants=False), _plain
        )

    async def of_family(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Stream a workflow and its descendants; each event names its workflow execution."""
        workflow = await self._get(request, id)

        def wrapped(shown: StreamItem, number: int) -> tuple[str, str]:
            owner = str(shown.workflow_id or workflow[1])
            return f"{owner}:{number}", json_object(workflowExecutionId=dump(owner), data=_value(shown.payload))

        self._open(
            response, workflow, lambda watch: self._streams.follow_workflow(workflow, watch, descendants=True), wrapped
        )

    async def of_task(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Stream a task, standalone or of a workflow."""
        task = (request.context.tenant_id, path_id(id, "task"))
        if await self._views.get(*task) is None:
            raise NotFound(f"there is no task {id} in this tenant")
        self._open(response, task, lambda watch: self._streams.follow_task(task, watch), _plain)

    async def of_agent(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Stream an agent, without its tasks."""
        agent = await self._get_agent(request, id)

        def own(shown: StreamItem, number: int) -> tuple[str, str] | None:
            return _plain(shown, number) if shown.task_id is None else None

        self._open(response, agent, lambda watch: self._streams.follow_agent(agent, watch, with_family=False), own)

    async def of_agent_family(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Stream an agent with its tasks and descendants; each event names the agent, and the task if it has one."""
        agent = await self._get_agent(request, id)

        def wrapped(shown: StreamItem, number: int) -> tuple[str, str]:
            owner = str(shown.agent_id or agent[1])
            task = {} if shown.task_id is None else {"taskExecutionId": dump(str(shown.task_id))}
            return f"{owner}:{number}", json_object(agentExecutionId=dump(owner), **task, data=_value(shown.payload))

        self._open(response, agent, lambda watch: self._streams.follow_agent(agent, watch, with_family=True), wrapped)

    async def _get_agent(self, request: Request, ident: str) -> tuple[UUID, UUID]:
        agent = (request.context.tenant_id, path_id(ident, "agent execution"))
        if await self._agents.get(agent) is None:
            raise unknown_agent(agent[1])
        return agent

    async def _get(self, request: Request, ident: str) -> tuple[UUID, UUID]:
        workflow = (request.context.tenant_id, path_id(ident, "workflow execution"))
        if not await self._views.is_workflow(*workflow):
            raise NotFound(f"there is no workflow execution {ident} in this tenant")
        return workflow

    def _open(self, response: Response, topic: tuple[UUID, UUID], follow: Follow, text: Text) -> None:
        self._streams.open_streams.check_limits(topic[0])
        response.set_header("cache-control", "no-cache")
        response.set_header("x-accel-buffering", "no")
        response.sse = self._events(topic, follow, text)

    async def _events(self, topic: tuple[UUID, UUID], follow: Follow, text: Text) -> AsyncIterator[SSEvent]:
        loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            watch = await stack.enter_async_context(self._streams.subscribe(topic))
            await stack.enter_async_context(follow(watch))
            yield SSEvent(comment="open")
            number, last = 0, loop.time()
            while not watch.is_closed and loop.time() - last < IDLE_S:
                await watch.wait(KEEP_ALIVE_S)
                news, lost = watch.take()
                if lost:
                    yield SSEvent(comment=f"{lost} events were dropped because this client reads too slowly")
                for shown in news:
                    event = text(shown, number + 1)
                    if event is None:
                        continue
                    number, last = number + 1, loop.time()
                    ident, data = event
                    yield SSEvent(event=shown.kind, event_id=ident, text=_lines(data))
                if not news:
                    yield SSEvent(comment="keep-alive")


def _plain(shown: StreamItem, number: int) -> tuple[str, str]:
    return str(number), shown.payload


def _value(payload: str) -> Json:
    """Return a chunk as JSON; a chunk that is not JSON becomes a text."""
    try:
        return payload_of(payload, "payload")
    except FlovynError:
        return dump(payload)


def _lines(data: str) -> str:
    """Return data in the format of server-sent events, where each further line begins with ``data:``."""
    return "\ndata: ".join(_LINE_END.split(data))
