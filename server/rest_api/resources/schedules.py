"""``…/schedules``: schedules, which start workflow executions and tasks again and again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import falcon.asgi

from core.auth import Action
from core.endpoints import Repeat, RestRoute
from core.paging import CursorQuery, Cursors
from server.engine.schedules.schedules import Schedules
from server.rest_api.answers import answer_list, body_in_turn
from server.rest_api.fields import path_id
from server.rest_api.resources import schedule_models as m
from server.rest_api.tenant_paths import canonical, older

TAG = "schedules"

Request = falcon.asgi.Request
Response = falcon.asgi.Response


class ScheduleRoutes:
    """Routes and handlers of schedules."""

    def __init__(self, schedules: Schedules, cursors: Cursors) -> None:
        self._schedules = schedules
        self._cursors = cursors

    def routes(self) -> list[RestRoute]:
        """Return the routes."""
        view = partial(_route, "GET", action=Action.VIEW)
        update = partial(_route, "POST", action=Action.UPDATE, response=m.ScheduleBody, repeat=Repeat.LAST)
        one = "/{id}"
        body: dict[str, Any] = {"request": m.ScheduleInput, "response": m.ScheduleBody}
        return [
            _route("POST", "", self.create, "Create a schedule", action=Action.CREATE, status=201, **body),
            view("", self.list, "List schedules, newest first", query=CursorQuery, response=m.ScheduleList),
            view(one, self.get, "Get a schedule", response=m.ScheduleBody),
            _route("PUT", one, self.replace, "Replace a schedule", action=Action.UPDATE, **body),
            _route("DELETE", one, self.delete, "Delete a schedule", action=Action.DELETE, status=204),
            update(f"{one}/pause", self.pause, "Pause a schedule"),
            update(f"{one}/resume", self.resume, "Resume a schedule"),
            _route(
                "POST",
                f"{one}/trigger",
                self.trigger,
                "Start the target of a schedule now",
                action=Action.EXECUTE,
                response=m.ScheduleRunBody,
                status=201,
            ),
            view(
                f"{one}/runs",
                self.runs,
                "List the starts at due instants, newest first",
                query=CursorQuery,
                response=m.ScheduleRuns,
            ),
        ]

    async def create(self, request: Request, response: Response) -> None:
        """Create a schedule."""
        body: m.ScheduleInput = request.context.body
        tenant_id: UUID = request.context.tenant_id
        schedule = await self._schedules.create(tenant_id, body.spec(), request.context.identity.id)
        response.media = await body_in_turn(schedule, m.ScheduleBody.of)

    async def list(self, request: Request, response: Response) -> None:
        """List schedules, newest first."""
        query: CursorQuery = request.context.query
        paging = await self._cursors.paging(m.ScheduleList.__name__, request.context.tenant_id, query)
        found, members = await self._schedules.page(request.context.tenant_id, paging)
        await answer_list(response, m.ScheduleList(schedules=[], **members), "schedules", found, m.ScheduleBody.of)

    async def get(self, request: Request, response: Response, id: str) -> None:  # noqa: A002 - the path's name
        """Return a schedule."""
        schedule = await self._schedules.get(_key(request, id))
        response.media = await body_in_turn(schedule, m.ScheduleBody.of)

    async def replace(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Replace a schedule."""
        body: m.ScheduleInput = request.context.body
        response.media = await body_in_turn(
            await self._schedules.replace(_key(request, id), body.spec()), m.ScheduleBody.of
        )

    async def delete(self, request: Request, _response: Response, id: str) -> None:  # noqa: A002
        """Delete a schedule."""
        await self._schedules.delete(_key(request, id))

    async def pause(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Pause a schedule."""
        response.media = await body_in_turn(
            await self._schedules.switch(_key(request, id), enabled=False), m.ScheduleBody.of
        )

    async def resume(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Resume a schedule."""
        response.media = await body_in_turn(
            await self._schedules.switch(_key(request, id), enabled=True), m.ScheduleBody.of
        )

    async def trigger(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Start the target of a schedule now."""
        response.media = m.ScheduleRunBody.of(await self._schedules.trigger(_key(request, id))).as_json()

    async def runs(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Return a page of the starts at due instants, newest first."""
        query: CursorQuery = request.context.query
        key = _key(request, id)
        paging = await self._cursors.paging(f"{m.ScheduleRuns.__name__} {key[1]}", key[0], query)
        found, members = await self._schedules.runs(key, paging)
        response.media = m.ScheduleRuns(runs=[m.ScheduleRunBody.of(each) for each in found], **members).as_json()


def _key(request: Request, ident: str) -> tuple[UUID, UUID]:
    return (request.context.tenant_id, path_id(ident, "schedule"))


def _route(
    method: str,
    path: str,
    handler: Callable[..., Any],
    summary: str,
    *,
    action: Action,
    request: Any = None,
    query: Any = None,
    response: Any = None,
    status: int = 200,
    repeat: Repeat | None = None,
) -> RestRoute:
    place = "/schedules" + path
    return RestRoute(
        method,
        canonical(place),
        handler,
        action,
        "schedule",
        summary,
        request_model=request,
        query_model=query,
        response_model=response,
        status=status,
        aliases=older(place),
        tag=TAG,
        repeat=repeat,
    )
