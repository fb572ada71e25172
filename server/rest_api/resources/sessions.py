"""``/api/v1/session`` and ``/api/v1/me``: the sign-in of a browser, and what the caller is and may do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import falcon.asgi

from core.auth import Action, PrincipalType, Role
from core.endpoints import RestHandler, RestRoute, Scope
from core.errors import AuthError
from core.launchers import TenantLookup
from core.pages import ConsolePage
from core.rest_model import RestModel
from server.auth.sessions import BrowserSessions, Session
from server.rest_api.browsers import Browsers
from server.rest_api.resources.tenants import TenantBody

TAG = "session"
SESSION, ME = "session", "me"

Request = falcon.asgi.Request
Response = falcon.asgi.Response


class SessionBody(RestModel):
    """The session of a browser."""

    expires_at: datetime


class MeBody(RestModel):
    """The caller of this request.

    ``may`` holds the actions that the caller may do, by the kind of resource; routes ask for the same words.
    """

    principal_type: PrincipalType
    principal_id: str
    role: Role | None
    is_operator: bool
    tenant: TenantBody | None
    session: SessionBody | None
    may: dict[str, list[Action]]


class ConsolePageBody(RestModel):
    """A page that a plugin adds to the console."""

    plugin: str
    path: str
    title: str
    module: str


class ConsolePageList(RestModel):
    """The pages that plugins add to the console."""

    pages: list[ConsolePageBody]


class SessionResources:
    """Routes and handlers of sessions."""

    def __init__(
        self,
        sessions: BrowserSessions,
        browsers: Browsers,
        tenants: TenantLookup,
        console_pages: Callable[[], Sequence[tuple[str, ConsolePage]]],
    ) -> None:
        self._sessions = sessions
        self._browsers = browsers
        self._tenants = tenants
        self._console_pages = console_pages

    def routes(self) -> list[RestRoute]:
        """Return the routes."""

        def route(method: str, path: str, handler: RestHandler, action: Action, summary: str, **more: Any) -> RestRoute:
            resource = ME if action is Action.VIEW else SESSION
            return RestRoute(method, path, handler, action, resource, summary, scope=Scope.ANYBODY, tag=TAG, **more)

        own, view = "/api/v1/session", Action.VIEW
        opens = "Sign in: open a session for the credential of this call; the answer sets its cookie"
        ends, ends_all = "Sign out: end the session of this call", "End all sessions of the caller"
        me, pages = "Get the caller, its tenant and what it may do", "List the pages that plugins add to the console"
        made: dict[str, Any] = {"response_model": SessionBody, "status": 201, "secret_answer": True}
        return [
            route("POST", own, self.open, Action.CREATE, opens, **made),
            route("DELETE", own, self.end, Action.DELETE, ends, status=204),
            route("DELETE", "/api/v1/sessions", self.end_all, Action.DELETE, ends_all, status=204),
            route("GET", "/api/v1/me", self.me, view, me, response_model=MeBody),
            route("GET", "/api/v1/console-pages", self.console_pages, view, pages, response_model=ConsolePageList),
        ]

    async def open(self, request: Request, response: Response) -> None:
        """Open a session: 201, and the cookie."""
        authorization = request.get_header("authorization")
        if authorization is None:
            raise AuthError("credentials are required to sign in: send 'authorization: Bearer <token>'")
        text, ends = await self._sessions.open(request.context.identity, authorization)
        self._browsers.set_cookie(request, response, text, ends)
        response.set_header("cache-control", "no-store")
        response.media = SessionBody(expires_at=ends).as_json()

    async def end(self, request: Request, response: Response) -> None:
        """End the session that the cookie names."""
        session: Session | None = request.context.session
        if session is not None:
            await self._sessions.end(session)
        self._browsers.unset_cookie(request, response)

    async def end_all(self, request: Request, response: Response) -> None:
        """End all sessions of the caller."""
        await self._sessions.end_all(request.context.identity)
        self._browsers.unset_cookie(request, response)

    async def console_pages(self, _request: Request, response: Response) -> None:
        """List the pages that plugins add to the console."""
        pages = [
            ConsolePageBody(plugin=plugin, path=f"/console/p/{plugin}{page.path}", title=page.title, module=page.module)
            for plugin, page in self._console_pages()
        ]
        response.media = ConsolePageList(pages=pages).as_json()

    async def me(self, request: Request, response: Response) -> None:
        """Return the caller."""
        context = request.context
        identity, session = context.identity, context.session
        tenant_id: UUID | None = identity.tenant_id
        tenant = None if tenant_id is None else await self._tenants.by_id(tenant_id)
        body = MeBody(
            principal_type=identity.principal_type,
            principal_id=identity.id,
            role=identity.role,
            is_operator=identity.is_operator,
            tenant=None if tenant is None else TenantBody.of(tenant),
            session=None if session is None else SessionBody(expires_at=session.expires_at),
            may=await context.rights(),
        )
        response.set_header("cache-control", "no-store")
        response.media = body.as_json()
