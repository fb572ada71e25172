"""``flovyn.plugins.worker_token.v1.TokenService`` over real gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio
from google.protobuf.timestamp_pb2 import Timestamp

from plugins.worker_token import token_pb2 as pb
from plugins.worker_token.tests.workbench import OTHER_USER_KEY, USER_KEY, serving
from plugins.worker_token.token_pb2_grpc import TokenServiceStub
from proto.flovyn.v1 import workflow_pb2
from tests.support.running import TENANT, WORKER_KEY, Client, bearer

Status = grpc.StatusCode


class Tokens:
    """The service, called with a user's key."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._stub: Any = TokenServiceStub(client.channel)

    async def call(self, method: str, request: object, key: str = USER_KEY) -> Any:
        return await getattr(self._stub, method)(request, metadata=bearer(key))

    async def refused(self, method: str, request: object, key: str = USER_KEY) -> grpc.StatusCode:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.call(method, request, key)
        return caught.value.code()


@pytest_asyncio.fixture
async def tokens(database: str) -> AsyncIterator[Tokens]:
    async with serving(database) as client:
        yield Tokens(client)


async def test_a_token_from_its_creation_to_its_end(tokens: Tokens) -> None:
    """Create, use, get, list, rotate with an overlap, revoke."""
    ends = datetime.now(UTC) + timedelta(days=1)
    request = pb.CreateTokenRequest(display_name="ci", description="d", expires_at=ends)
    made = await tokens.call("CreateToken", request)
    assert (made.id, made.token.display_name, made.token.description) == (made.token.id, "ci", "d")
    assert (made.secret[:16], made.token.expires_at.ToDatetime(UTC)) == (made.token.prefix, ends)
    start = workflow_pb2.StartWorkflowRequest(tenant_id=str(TENANT), workflow_kind="k")
    await tokens.client.dispatch.StartWorkflow(start, metadata=bearer(made.secret))
    found = await tokens.call("GetToken", pb.GetTokenRequest(id=made.id))
    assert (found.prefix, found.HasField("revoked_at")) == (made.token.prefix, False)
    rotated = await tokens.call("RotateToken", pb.RotateTokenRequest(id=made.id, overlap_seconds=60))
    assert (rotated.id, rotated.token.HasField("previous_valid_until")) == (made.id, True)
    for secret in (made.secret, rotated.secret):
        await tokens.client.dispatch.StartWorkflow(start, metadata=bearer(secret))
    revoked = await tokens.call("RevokeToken", pb.RevokeTokenRequest(id=made.id))
    assert revoked.HasField("revoked_at")
    for secret in (made.secret, rotated.secret):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await tokens.client.dispatch.StartWorkflow(start, metadata=bearer(secret))
        assert caught.value.code() is Status.UNAUTHENTICATED
    assert await tokens.refused("RotateToken", pb.RotateTokenRequest(id=made.id)) is Status.FAILED_PRECONDITION


async def test_lists_have_pages(tokens: Tokens) -> None:
    """Oldest first, revoked ones on request, never another tenant's, never a secret."""
    ids = [(await tokens.call("CreateToken", pb.CreateTokenRequest(display_name=str(n)))).id for n in range(3)]
    await tokens.call("CreateToken", pb.CreateTokenRequest(display_name="other"), OTHER_USER_KEY)
    await tokens.call("RevokeToken", pb.RevokeTokenRequest(id=ids[0]))
    page = await tokens.call("ListTokens", pb.ListTokensRequest(limit=1, offset=1))
    assert ([each.id for each in page.tokens], page.total) == ([ids[2]], 2)
    everything = await tokens.call("ListTokens", pb.ListTokensRequest(include_revoked=True, limit=1000))
    assert ([each.display_name for each in everything.tokens], everything.total) == (["0", "1", "2"], 3)


@pytest.mark.parametrize(
    ("method", "message", "status"),
    [
        ("CreateToken", pb.CreateTokenRequest(), Status.INVALID_ARGUMENT),
        ("CreateToken", pb.CreateTokenRequest(display_name="x" * 256), Status.INVALID_ARGUMENT),
        ("CreateToken", pb.CreateTokenRequest(display_name="x", description="\x00"), Status.INVALID_ARGUMENT),
        ("CreateToken", pb.CreateTokenRequest(display_name="x", expires_at=Timestamp()), Status.INVALID_ARGUMENT),
        (
            "CreateToken",
            pb.CreateTokenRequest(display_name="x", expires_at=Timestamp(seconds=10**15)),
            Status.INVALID_ARGUMENT,
        ),
        ("ListTokens", pb.ListTokensRequest(limit=-1), Status.INVALID_ARGUMENT),
        ("ListTokens", pb.ListTokensRequest(offset=-1), Status.INVALID_ARGUMENT),
        ("GetToken", pb.GetTokenRequest(), Status.INVALID_ARGUMENT),
        ("GetToken", pb.GetTokenRequest(id=str(uuid4())), Status.NOT_FOUND),
        ("RotateToken", pb.RotateTokenRequest(id=str(uuid4())), Status.NOT_FOUND),
        ("RotateToken", pb.RotateTokenRequest(id=str(uuid4()), overlap_seconds=-1), Status.INVALID_ARGUMENT),
        ("RevokeToken", pb.RevokeTokenRequest(id="x"), Status.INVALID_ARGUMENT),
        ("RevokeToken", pb.RevokeTokenRequest(id=str(uuid4())), Status.NOT_FOUND),
    ],
)
async def test_nonsense_is_refused(tokens: Tokens, method: str, message: object, status: grpc.StatusCode) -> None:
    """With the status that says whose mistake it is."""
    assert await tokens.refused(method, message) is status


async def test_a_worker_may_look_and_not_change(tokens: Tokens) -> None:
    """Neither its own token nor a static key of a worker makes, rotates or revokes tokens."""
    made = await tokens.call("CreateToken", pb.CreateTokenRequest(display_name="ci"))
    changes = (
        ("CreateToken", pb.CreateTokenRequest(display_name="x")),
        ("RotateToken", pb.RotateTokenRequest(id=made.id)),
        ("RevokeToken", pb.RevokeTokenRequest(id=made.id)),
    )
    for key in (made.secret, WORKER_KEY):
        for method, request in changes:
            assert await tokens.refused(method, request, key) is Status.PERMISSION_DENIED
        assert (await tokens.call("GetToken", pb.GetTokenRequest(id=made.id), key)).id == made.id


async def test_tokens_of_another_tenant_do_not_exist(tokens: Tokens) -> None:
    """Their ids are as unknown as any."""
    made = await tokens.call("CreateToken", pb.CreateTokenRequest(display_name="ci"), OTHER_USER_KEY)
    for method, request in (
        ("GetToken", pb.GetTokenRequest(id=made.id)),
        ("RotateToken", pb.RotateTokenRequest(id=made.id)),
        ("RevokeToken", pb.RevokeTokenRequest(id=made.id)),
    ):
        assert await tokens.refused(method, request) is Status.NOT_FOUND
