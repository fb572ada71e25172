"""``…/agent-executions``: starts, reads, signals and cancels agents."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import falcon.asgi

from core.auth import Action
from core.endpoints import Repeat, RestRoute
from core.errors import InvalidInput, NotFound
from core.fields import free_text, name_field
from core.launchers import AgentLaunch
from core.paging import Cursors
from core.payload import payload_of
from server.domain.agent import AgentStatus
from server.domain.agent_view import AgentFilter, AgentView
from server.engine.agents.locked import unknown_agent
from server.engine.agents.signals import SendSignalCall
from server.engine.agents.starts import metadata_object
from server.engine.engine import Engine
from server.rest_api.answers import answer_list, body_in_turn
from server.rest_api.fields import idempotency_key, path_id, payload
from server.rest_api.resources import agent_models as m
from server.rest_api.tenant_paths import canonical, older
from server.storage.agent_views import AgentViewRepository
from server.storage.agents import AgentKey
from server.storage.task_views import TaskViewRepository

TAG = "agents"
MOST_LISTED = 10_000
"""The greatest number of checkpoints, children, signals or tasks in an answer."""

_PATH = "/agent-executions"

Request = falcon.asgi.Request
Response = falcon.asgi.Response


class AgentExecutions:
    """Routes and handlers of agents."""

    def __init__(self, engine: Engine, views: AgentViewRepository, tasks: TaskViewRepository, cursors: Cursors) -> None:
        self._cursors = cursors
        self._agents = engine.agents
        self._views = views
        self._tasks = tasks

    def routes(self) -> list[RestRoute]:
        """Return the routes."""
        view = partial(_route, "GET", action=Action.VIEW)
        change = partial(_route, "POST", action=Action.UPDATE)
        one: str = "/{id}"
        cancelled: dict[str, Any] = {"request_model": m.CancelAgent, "response_model": m.CancelledAgent}
        return [
            _route(
                "POST",
                "",
                self.start,
                "Start an agent",
                action=Action.EXECUTE,
                request_model=m.CreateAgent,
                response_model=m.StartedAgent,
                status=201,
                more_statuses=(200,),
            ),
            view("", self.list, "List agents, newest first", query_model=m.AgentListQuery, response_model=m.AgentList),
            view(one, self.get, "Get an agent", response_model=m.AgentBody),
            view(f"{one}/checkpoints", self.checkpoints, "The checkpoints", response_model=m.AgentCheckpoints),
            view(
                f"{one}/checkpoints/latest", self.latest_checkpoint, "The newest one", response_model=m.CheckpointBody
            ),
            view(f"{one}/checkpoints/{{sequence}}", self.checkpoint, "A checkpoint", response_model=m.CheckpointBody),
            view(
                f"{one}/entries",
                self.entries,
                "The conversation",
                query_model=m.EntriesQuery,
                response_model=m.EntryPage,
            ),
            view(f"{one}/tasks", self.tasks, "The tasks of an agent", response_model=m.AgentTaskList),
            view(f"{one}/signals", self.signals, "The signals of an agent", response_model=m.AgentSignals),
            view(f"{one}/children", self.children, "The child agents", response_model=m.AgentChildren),
            change(
                f"{one}/signal",
                self.signal,
                "Signal an agent",
                request_model=m.SignalAgent,
                response_model=m.SignalledAgent,
            ),
            change(f"{one}/cancel", self.cancel, "Cancel an agent", repeat=Repeat.SAME, **cancelled),
            _route("DELETE", one, self.cancel, "Cancel an agent", action=Action.UPDATE, **cancelled),
        ]

    async def start(self, request: Request, response: Response) -> None:
        """Start an agent: 201, or 200 when the agent of its idempotency key exists."""
        body: m.CreateAgent = request.context.body
        tenant_id: UUID = request.context.tenant_id
        key = idempotency_key(body.idempotency_key, body.idempotency_key_ttl)
        launch = AgentLaunch(
            tenant_id=tenant_id,
            kind=body.kind,
            input=payload(body.input, "input"),
            queue=body.queue,
            persistence_mode=body.persistence_mode,
            metadata=payload(body.metadata, "metadata"),
            idempotency_key=key,
        )
        launched = await self._agents.start(launch)
        agent = await self._get((tenant_id, launched.id))
        response.status = 201 if launched.is_new else 200
        shown = await body_in_turn(agent, m.AgentBody.of)
        if launched.is_new:
            # a parked poller may have got the agent already, but clients expect this answer
            shown |= {"status": AgentStatus.PENDING, "workerId": None, "startedAt": None}
        response.media = {
            **shown,
            "idempotencyKeyUsed": key is not None,
            "idempotencyKeyNew": launched.is_new,
        }

    async def list(self, request: Request, response: Response) -> None:
        """List agents, newest first."""
        query: m.AgentListQuery = request.context.query
        metadata = None if query.metadata is None else metadata_object(payload_of(query.metadata, "metadata"))
        wanted = AgentFilter(
            request.context.tenant_id, query.status, query.kind, query.queue, query.parent_id, metadata
        )
        paging = await self._cursors.paging(m.AgentList.__name__, request.context.tenant_id, query)
        agents, members = await self._views.page(wanted, paging)
        page = m.AgentList(agent_executions=[], **members)
        await answer_list(response, page, "agent_executions", agents, m.AgentBody.of)

    async def get(self, request: Request, response: Response, id: str) -> None:  # noqa: A002 - the path's name
        """Return an agent."""
        response.media = await body_in_turn(await self._get(_key(request, id)), m.AgentBody.of)

    async def checkpoints(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Return the checkpoints of an agent in ascending order."""
        found = await self._views.checkpoints(await self._existing(request, id), MOST_LISTED)
        await answer_list(response, m.AgentCheckpoints(checkpoints=[]), "checkpoints", found, m.CheckpointBody.of)

    async def latest_checkpoint(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Return the newest checkpoint of an agent."""
        found = await self._views.latest_checkpoint(await self._existing(request, id))
        if found is None:
            raise NotFound(f"agent execution {id} has no checkpoint")
        response.media = await body_in_turn(found, m.CheckpointBody.of)

    async def checkpoint(self, request: Request, response: Response, id: str, sequence: str) -> None:  # noqa: A002
        """Return one checkpoint of an agent."""
        key = await self._existing(request, id)
        is_number = sequence.isascii() and sequence.isdecimal() and len(sequence) < 10  # noqa: PLR2004 - an integer
        found = await self._views.checkpoint(key, int(sequence)) if is_number else None
        if found is None:
            raise NotFound(f"agent execution {id} has no checkpoint {sequence!r}")
        response.media = await body_in_turn(found, m.CheckpointBody.of)

    async def entries(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Return a page of the conversation of an agent."""
        query: m.EntriesQuery = request.context.query
        found = await self._views.entries(await self._existing(request, id), query.after, query.limit)
        if found is None:
            raise InvalidInput(f"after: agent execution {id} has no entry {query.after}")
        await answer_list(response, m.EntryPage(entries=[]), "entries", found, m.EntryBody.of)

    async def tasks(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Return the tasks of an agent, oldest first."""
        tenant_id, agent_id = await self._existing(request, id)
        found = await self._tasks.of_agent(tenant_id, agent_id, MOST_LISTED)
        await answer_list(response, m.AgentTaskList(tasks=[]), "tasks", found, m.AgentTaskBody.of_agent)

    async def signals(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Return the signals of an agent, oldest first."""
        found = await self._views.signals(await self._existing(request, id), MOST_LISTED)
        await answer_list(response, m.AgentSignals(signals=[]), "signals", found, m.SignalBody.of)

    async def children(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Return the child agents, oldest first."""
        found = await self._views.children(await self._existing(request, id), MOST_LISTED)
        await answer_list(response, m.AgentChildren(children=[]), "children", found, m.AgentBody.of)

    async def signal(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Queue a signal at an agent."""
        body: m.SignalAgent = request.context.body
        name = name_field(body.signal_name, "signal_name")
        call = SendSignalCall(*_key(request, id), name, payload(body.signal_value, "signal_value"))
        sent = await self._agents.submit(call)
        response.media = m.SignalledAgent(agent_resumed=sent.resumed, signal_id=sent.id).as_json()

    async def cancel(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Cancel an agent; one that a worker holds ends with the next report of its worker."""
        body: m.CancelAgent = request.context.body
        key = _key(request, id)
        outcome = await self._agents.cancel(key, free_text(body.reason), cascades=body.cascade_to_children)
        response.media = m.CancelledAgent(agent_execution_id=key[1], status=outcome).as_json()

    async def _existing(self, request: Request, ident: str) -> AgentKey:
        """Return the agent of a path, which exists."""
        key = _key(request, ident)
        await self._get(key)
        return key

    async def _get(self, key: AgentKey) -> AgentView:
        agent = await self._views.get(key)
        if agent is None:
            raise unknown_agent(key[1])
        return agent


def _key(request: Request, ident: str) -> AgentKey:
    return request.context.tenant_id, path_id(ident, "agent execution")


def _route(
    method: str, path: str, handler: Callable[..., Any], summary: str, *, action: Action, **more: Any
) -> RestRoute:
    place, aliases = canonical(_PATH + path), older(_PATH + path)
    return RestRoute(method, place, handler, action, "agent", summary, aliases=aliases, tag=TAG, **more)
