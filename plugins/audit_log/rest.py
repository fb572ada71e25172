"""``/api/v1/p/audit-log/…``."""

from __future__ import annotations

import re
from functools import partial
from typing import Final
from uuid import UUID

import falcon.asgi

from core.auth import Action
from core.endpoints import Repeat, RestRoute, Scope
from plugins.audit_log.config import AuditLogConfig
from plugins.audit_log.domain import RESOURCE
from plugins.audit_log.export import CONTENT_TYPES, CSV, NDJSON, lines
from plugins.audit_log.models import (
    ChainQuery,
    EventList,
    EventQuery,
    ExportQuery,
    HeadBody,
    RecordedEventBody,
    RetentionBody,
    SetRetention,
    StatusBody,
    VerdictBody,
    Verify,
)
from plugins.audit_log.recorder import Recorder
from plugins.audit_log.service import AuditService, readable

_managed = partial(RestRoute, action=Action.MANAGE, resource=RESOURCE, scope=Scope.ANYBODY, query_model=ChainQuery)
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}")

Request = falcon.asgi.Request
Response = falcon.asgi.Response


class AuditRest:
    """The handlers."""

    def __init__(self, service: AuditService, recorder: Recorder, config: AuditLogConfig) -> None:
        self._service = service
        self._recorder = recorder
        self._config = config

    def routes(self) -> list[RestRoute]:
        """Return the routes.

        To look at the log is to manage it: authorizers can tell it from other reads, and it is recorded.
        """
        return [*self._of_events(), *self._of_chains()]

    def _of_events(self) -> list[RestRoute]:
        return [
            _managed(
                "GET",
                "/events",
                self.list,
                summary="List events, newest first",
                query_model=EventQuery,
                response_model=EventList,
            ),
            _managed(
                "GET",
                "/events/export",
                self.export,
                summary="Export events, oldest first",
                query_model=ExportQuery,
                produces=(NDJSON, CSV),
            ),
            _managed(
                "GET", "/events/{id}", self.get, summary="Get an event by its number", response_model=RecordedEventBody
            ),
        ]

    def _of_chains(self) -> list[RestRoute]:
        return [
            _managed(
                "GET",
                "/retention",
                self.get_retention,
                summary="Get how long events are kept",
                response_model=RetentionBody,
            ),
            _managed(
                "PUT",
                "/retention",
                self.set_retention,
                summary="Set how long events are kept",
                request_model=SetRetention,
                response_model=RetentionBody,
            ),
            _managed(
                "POST",
                "/verify",
                self.verify,
                summary="Verify the chain of hashes",
                request_model=Verify,
                response_model=VerdictBody,
                repeat=Repeat.READS,
            ),
            _managed(
                "GET",
                "/head",
                self.head,
                summary="Get the end of the chain, to keep elsewhere",
                response_model=HeadBody,
            ),
            RestRoute(
                "GET",
                "/status",
                self.status,
                Action.VIEW,
                RESOURCE,
                "Get the counts of the process that answers",
                response_model=StatusBody,
                scope=Scope.SERVER,
            ),
        ]

    async def list(self, request: Request, response: Response) -> None:
        """Return a page."""
        query: EventQuery = request.context.query
        found, cursor = await self._service.page(_chain(request), query.wanted(), query.limit, query.cursor)
        response.media = EventList(events=[RecordedEventBody.of(each) for each in found], next_cursor=cursor).as_json()

    async def export(self, request: Request, response: Response) -> None:
        """Stream all events."""
        query: ExportQuery = request.context.query
        pages = self._service.export(_chain(request), query.wanted())
        response.content_type = CONTENT_TYPES[query.format]
        response.downloadable_as = f"audit-log.{query.format}"
        response.set_header("cache-control", "no-store")
        response.stream = lines(pages, query.format)

    async def get(self, request: Request, response: Response, id: str) -> None:  # noqa: A002 - the path's parameter
        """Return one event."""
        number = int(id) if _NUMBER.fullmatch(id) else None
        response.media = RecordedEventBody.of(await self._service.get(_chain(request), number)).as_json()

    async def get_retention(self, request: Request, response: Response) -> None:
        """Return the retention."""
        response.media = RetentionBody.of(await self._service.get_retention(_chain(request))).as_json()

    async def set_retention(self, request: Request, response: Response) -> None:
        """Set the retention."""
        body: SetRetention = request.context.body
        stored = await self._service.set_retention(_chain(request), body.keep_days, request.context.identity.id)
        response.media = RetentionBody.of(stored).as_json()

    async def verify(self, request: Request, response: Response) -> None:
        """Walk the chain."""
        body: Verify = request.context.body
        anchor = None if body.anchor is None else body.anchor.head()
        verdict = await self._service.verify(_chain(request), body.start, body.limit, anchor)
        response.media = VerdictBody.of(verdict).as_json()

    async def head(self, request: Request, response: Response) -> None:
        """Return the end of the chain."""
        response.media = HeadBody.of(await self._service.head(_chain(request))).as_json()

    async def status(self, _request: Request, response: Response) -> None:
        """Return the counts."""
        status = self._recorder.status()
        response.media = StatusBody(
            mode=self._config.mode,
            recorded=status.recorded,
            dropped=status.dropped,
            queued=status.queued,
            queue_size=self._config.queue_size,
        ).as_json()


def _chain(request: Request) -> UUID:
    """Return the tenant whose chain the request is about, once the caller may see it."""
    query: ChainQuery = request.context.query
    return readable(request.context.identity, query.chain)
