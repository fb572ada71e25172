"""``flovyn.plugins.worker_token.v1.TokenService``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from core.auth import Action, Identity
from core.endpoints import GrpcMethod, GrpcService, Repeat
from core.errors import InvalidInput
from core.limits import MAX_LIMIT
from core.rest_model import DEFAULT_LIMIT
from plugins.worker_token import token_pb2 as pb
from plugins.worker_token.domain import GeneratedToken, WorkerToken
from plugins.worker_token.rest import RESOURCE
from plugins.worker_token.service import WorkerTokenService


class TokenRpc:
    """Handlers of the service."""

    def __init__(self, service: WorkerTokenService) -> None:
        self._service = service

    def service(self) -> GrpcService:
        """Return the service with all of its methods."""
        methods = {
            "CreateToken": GrpcMethod(self.create, Action.CREATE, RESOURCE, resource_id="id", secret_answer=True),
            "ListTokens": GrpcMethod(self.list, Action.VIEW, RESOURCE),
            "GetToken": GrpcMethod(self.get, Action.VIEW, RESOURCE, resource_id="id"),
            "RotateToken": GrpcMethod(self.rotate, Action.UPDATE, RESOURCE, resource_id="id", secret_answer=True),
            "RevokeToken": GrpcMethod(self.revoke, Action.DELETE, RESOURCE, resource_id="id", repeat=Repeat.SAME),
        }
        return GrpcService(pb.DESCRIPTOR.services_by_name["TokenService"], methods)

    async def create(self, request: pb.CreateTokenRequest, identity: Identity) -> pb.NewToken:
        """Create a token; the answer is the only one that ever holds it."""
        ends = _time(request.expires_at, "expires_at") if request.HasField("expires_at") else None
        made = await self._service.create(
            identity, _tenant_of(identity), request.display_name, request.description, ends
        )
        return _new(*made)

    async def list(self, request: pb.ListTokensRequest, identity: Identity) -> pb.ListTokensResponse:
        """List the tenant's tokens."""
        if request.limit < 0 or request.offset < 0:
            raise InvalidInput("limit and offset must not be negative")
        limit = min(request.limit or DEFAULT_LIMIT, MAX_LIMIT)
        tokens, total = await self._service.page(
            _tenant_of(identity), limit, request.offset, include_revoked=request.include_revoked
        )
        return pb.ListTokensResponse(tokens=[_token(each) for each in tokens], total=total)

    async def get(self, request: pb.GetTokenRequest, identity: Identity) -> pb.Token:
        """Return a token, revoked ones too."""
        return _token(await self._service.get(_tenant_of(identity), _uuid(request.id)))

    async def rotate(self, request: pb.RotateTokenRequest, identity: Identity) -> pb.NewToken:
        """Give a token a new secret."""
        overlap = timedelta(seconds=request.overlap_seconds)
        return _new(*await self._service.rotate(identity, _tenant_of(identity), _uuid(request.id), overlap))

    async def revoke(self, request: pb.RevokeTokenRequest, identity: Identity) -> pb.Token:
        """Revoke a token."""
        return _token(await self._service.revoke(identity, _tenant_of(identity), _uuid(request.id)))


def _new(stored: WorkerToken, generated: GeneratedToken) -> pb.NewToken:
    return pb.NewToken(id=str(stored.id), secret=generated.token, token=_token(stored))


def _token(stored: WorkerToken) -> pb.Token:
    return pb.Token(
        id=str(stored.id),
        display_name=stored.display_name,
        description=stored.description,
        prefix=stored.token_prefix,
        created_at=stored.created_at,
        expires_at=stored.expires_at,
        last_used_at=stored.last_used_at,
        rotated_at=stored.rotated_at,
        previous_valid_until=stored.previous_until,
        revoked_at=stored.revoked_at,
    )


def _time(value: Timestamp, field: str) -> datetime:
    try:
        time: datetime = value.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(f"{field} is not a time between the years 1 and 9999") from None
    return time


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidInput("id must be a UUID, such as 0b6bbd0e-4f0c-4c0e-9f1a-6f6b8a1f2c3d") from None


def _tenant_of(identity: Identity) -> UUID:
    """Return the tenant of the call: its messages name none."""
    if identity.tenant_id is None:
        raise InvalidInput("this call needs credentials of a tenant: without them nothing says whose tokens are meant")
    return identity.tenant_id
