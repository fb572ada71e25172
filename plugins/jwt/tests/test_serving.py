"""Tokens of an identity provider on a running server, over REST and gRPC, beside the server's own keys."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
import pytest_asyncio
from gunicorn.config import Config

from plugins.jwt import fetch, jwks
from plugins.jwt.plugin import JwtPlugin
from plugins.jwt.tests.provider import (
    AUDIENCE,
    ISSUER,
    OTHER_TENANT,
    TENANT,
    Provider,
    claims,
    key_of,
    key_set,
    public_jwk,
    serving,
    signed,
)
from plugins.jwt.token import MAX_LENGTH
from proto.flovyn.v1 import workflow_pb2
from tests.support.running import CONFIG, WORKER_KEY, Client, bearer, running_server

PLACE = "/api/v1/tenants/test"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with serving() as provider:
        yield provider


@pytest_asyncio.fixture
async def client(database: str, provider: Provider) -> AsyncIterator[Client]:
    async with running_server(database, [JwtPlugin], configured(provider.uri)) as client:
        yield client


def configured(uri: str, authorizer: str = "roles") -> dict[str, Any]:
    endpoint = {"authenticators": ["static_api_key", "jwt"], "authorizer": authorizer}
    settings = {"jwks_uri": uri, "issuer": ISSUER, "audience": AUDIENCE}
    auth = {**CONFIG["auth"], "jwt": settings, "endpoints": {"http": endpoint, "grpc": endpoint}}
    return {**CONFIG, "auth": auth}


def token(algorithm: str = "RS256", key: Any = None, kid: str | None = None, **changed: Any) -> str:
    now = int(time.time())
    header = {} if kid is None else {"kid": kid}
    return signed(claims(**{"iat": now, "exp": now + 600, **changed}), algorithm, key, **header)


async def start(client: Client, key: str, tenant: str = str(TENANT)) -> Any:
    request = workflow_pb2.StartWorkflowRequest(tenant_id=tenant, workflow_kind="k", input=b"{}")
    return await client.dispatch.StartWorkflow(request, metadata=bearer(key))


async def status(client: Client, key: str, path: str = PLACE) -> int:
    return (await client.rest("GET", path, key=key)).status_code


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_a_user_is_admitted_over_both_protocols(algorithm: str, client: Client) -> None:
    """To the tenant that the token names, and to no other."""
    key = token(algorithm)
    assert await status(client, key) == 200
    assert await status(client, key, "/api/v1/tenants/other") == 404
    assert (await start(client, key)).workflow_execution_id
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await start(client, key, str(OTHER_TENANT))
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


def _of_length(length: int) -> str:
    """Return a good token of so many characters."""
    bare = len(token(x=""))
    for padding in range((length - bare) * 3 // 4 - 4, length):
        made = token(x="y" * padding)
        if len(made) >= length:
            return made
    raise AssertionError(length)


async def test_the_longest_token_is_admitted_over_both_protocols(client: Client) -> None:
    """A token of the length in the README fits into a header and into metadata; a longer one is refused."""
    longest = _of_length(MAX_LENGTH - 2)
    assert MAX_LENGTH - 2 <= len(longest) <= MAX_LENGTH
    for _ in range(20):  # between its two limits, the library refuses metadata by chance
        assert (await start(client, longest)).workflow_execution_id
    assert await status(client, longest) == 200
    assert len(f"authorization: Bearer {longest}\r\n") <= Config().limit_request_field_size
    answer = await client.rest("GET", PLACE, key=_of_length(MAX_LENGTH + 1))
    assert (answer.status_code, "longer than" in answer.json["error"]) == (401, True)


async def test_the_servers_own_keys_go_on_working(client: Client) -> None:
    """Static keys are no JWTs, and an unknown one is still refused."""
    assert await status(client, WORKER_KEY) == 200
    assert await status(client, WORKER_KEY + "x") == 401
    assert (await start(client, WORKER_KEY)).workflow_execution_id


async def test_a_bad_token_is_refused_over_both_protocols(client: Client) -> None:
    """401 and UNAUTHENTICATED, with the class and without the token."""
    for key, why in (
        (token(exp=1), "it has expired"),
        (token(key=key_of("RS256", 99)), "its signature is wrong"),
        (token(aud="x"), "it is meant for another audience"),
        (token(org={"slug": "nobody"}), "it names no tenant of this server"),
        (token(org={"slug": "te\x00st"}), "it names no tenant of this server"),
    ):
        answer = await client.rest("GET", PLACE, key=key)
        assert (answer.status_code, answer.json["error"]) == (401, f"the JWT is refused: {why}")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await start(client, key)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert refused.value.details() == f"the JWT is refused: {why}"


async def test_the_role_decides_what_a_user_may_do(client: Client) -> None:
    """Under the roles' authorizer a member may start workflows; no token makes an operator."""
    member = token(org={"slug": "test", "role": "MEMBER"})
    assert (await start(client, member)).workflow_execution_id
    assert await status(client, member) == 200
    for role in ("OWNER", "ADMIN", "MEMBER"):
        assert await status(client, token(org={"slug": "test", "role": role}), "/api/v1/tenants") == 403
    assert await status(client, token(org={"role": "OPERATOR"}), "/api/v1/tenants") == 401


async def test_keys_can_be_rotated_under_a_running_server(
    client: Client, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token of the new key is admitted, one of the old key that was not seen before is not."""
    monkeypatch.setattr(jwks, "MIN_INTERVAL", timedelta(0))
    assert await status(client, token()) == 200
    fresh = key_of("RS256", 2)
    provider.document = key_set(public_jwk("RS256", fresh, "rsa-2"))
    assert await status(client, token(key=fresh, kid="rsa-2")) == 200
    assert await status(client, token(sub="user-8")) == 401


async def test_an_absent_provider_does_not_stop_the_start(
    database: str, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JWTs are refused until its keys are there, other credentials work from the start."""
    monkeypatch.setattr(jwks, "RETRY_INTERVAL", timedelta(0))
    provider.status = 503
    async with running_server(database, [JwtPlugin], configured(provider.uri)) as client:
        answer = await client.rest("GET", PLACE, key=token())
        assert (answer.status_code, "could not be fetched" in answer.json["error"]) == (401, True)
        assert await status(client, WORKER_KEY) == 200
        provider.status = 200
        assert await status(client, token()) == 200


async def test_strangers_cannot_make_the_server_ask_the_provider(client: Client, provider: Provider) -> None:
    """Many key ids, one question."""
    assert await status(client, token()) == 200
    for number in range(50):
        assert await status(client, token(kid=f"guess-{number}")) == 401
    assert provider.asked == ["/jwks.json"]


async def test_keys_are_fetched_at_the_start_and_a_stop_does_not_wait_for_them(
    database: str, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys are fetched before the first call; a provider that does not answer delays neither start nor stop."""
    monkeypatch.setattr(fetch, "TIMEOUT_S", 10.0)
    provider.stuck = threading.Event()
    async with running_server(database, [JwtPlugin], configured(provider.uri)) as client:
        (plugin,) = client.registry.plugins()
        assert isinstance(plugin, JwtPlugin)
        assert plugin._jwks is not None
        assert plugin._jwks._flight is not None
        assert await asyncio.to_thread(provider.arrived.wait, 10)
    assert plugin._jwks._flight is None
