"""``/api/v1/p/worker-token/tokens``, and ``…/{slug}/worker-tokens`` for older clients."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import falcon.asgi

from core.auth import Action
from core.endpoints import ALIAS_PREFIXES, RestRoute
from core.errors import NotFound
from core.paging import Cursors
from plugins.worker_token.models import CreateToken, NewToken, RotateToken, TokenBody, TokenList, TokenQuery
from plugins.worker_token.service import WorkerTokenService

RESOURCE = "worker-token"

Request = falcon.asgi.Request
Response = falcon.asgi.Response


class Tokens:
    """The handlers."""

    def __init__(self, service: WorkerTokenService, cursors: Cursors) -> None:
        self._service = service
        self._cursors = cursors

    def routes(self) -> list[RestRoute]:
        """Return the routes."""
        return [*self._of_all(), *self._of_one()]

    def _of_all(self) -> list[RestRoute]:
        return [
            RestRoute(
                "POST",
                "/tokens",
                self.create,
                Action.CREATE,
                RESOURCE,
                "Create a worker token",
                request_model=CreateToken,
                response_model=NewToken,
                secret_answer=True,
                status=201,
                aliases=_aliases(),
            ),
            RestRoute(
                "GET",
                "/tokens",
                self.list,
                Action.VIEW,
                RESOURCE,
                "List worker tokens, oldest first",
                query_model=TokenQuery,
                response_model=TokenList,
                aliases=_aliases(),
            ),
        ]

    def _of_one(self) -> list[RestRoute]:
        return [
            RestRoute(
                "GET",
                "/tokens/{id}",
                self.get,
                Action.VIEW,
                RESOURCE,
                "Get a worker token",
                response_model=TokenBody,
                aliases=_aliases("/{id}"),
            ),
            RestRoute(
                "POST",
                "/tokens/{id}/rotate",
                self.rotate,
                Action.UPDATE,
                RESOURCE,
                "Give a worker token a new secret",
                request_model=RotateToken,
                response_model=NewToken,
                secret_answer=True,
                aliases=_aliases("/{id}/rotate"),
            ),
            RestRoute(
                "DELETE",
                "/tokens/{id}",
                self.revoke,
                Action.DELETE,
                RESOURCE,
                "Revoke a worker token",
                status=204,
                aliases=_aliases("/{id}"),
            ),
        ]

    async def create(self, request: Request, response: Response) -> None:
        """Create a token: 201, the only answer that ever holds it."""
        body: CreateToken = request.context.body
        stored, generated = await self._service.create(
            request.context.identity, request.context.tenant_id, body.display_name, body.description, body.expires_at
        )
        response.set_header("cache-control", "no-store")
        response.media = NewToken.of(stored, generated).as_json()

    async def list(self, request: Request, response: Response) -> None:
        """List the tenant's tokens, without those that are revoked unless they are asked for."""
        query: TokenQuery = request.context.query
        tenant_id = request.context.tenant_id
        paging = await self._cursors.paging(RESOURCE, tenant_id, query)
        tokens, members = await self._service.list(tenant_id, paging, include_revoked=query.include_revoked)
        response.media = TokenList(tokens=[TokenBody.of(each) for each in tokens], **members).as_json()

    async def get(self, request: Request, response: Response, id: str) -> None:  # noqa: A002 - the parameter's name
        """Return a token, revoked ones too."""
        response.media = TokenBody.of(await self._service.get(request.context.tenant_id, _uuid(id))).as_json()

    async def rotate(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Rotate a token: 200 with the new secret, or 409 when it is revoked, expired, or being rotated."""
        body: RotateToken = request.context.body
        stored, generated = await self._service.rotate(
            request.context.identity,
            request.context.tenant_id,
            _uuid(id),
            timedelta(seconds=body.overlap_seconds),
        )
        response.set_header("cache-control", "no-store")
        response.media = NewToken.of(stored, generated).as_json()

    async def revoke(self, request: Request, response: Response, id: str) -> None:  # noqa: A002
        """Revoke a token: 204, again too."""
        await self._service.revoke(request.context.identity, request.context.tenant_id, _uuid(id))


def _aliases(rest: str = "") -> tuple[str, ...]:
    return tuple(f"{prefix}worker-tokens{rest}" for prefix in ALIAS_PREFIXES)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"there is no worker token {text!r}; its id is a UUID") from None
