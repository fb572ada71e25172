"""The plugin on a whole server with a real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio

from core.errors import PluginError
from plugins.hello_world import greeting_pb2, greeting_pb2_grpc
from plugins.hello_world.plugin import HelloWorldPlugin
from plugins.hello_world.repository import GreetingRepository
from tests.support.running import CONFIG, OTHER_KEY, TENANT, WORKER_KEY, Client, bearer, running_server

GREETINGS = "/api/v1/p/hello-world/greetings"
VISITOR_KEY = "a visitor's key, long enough"


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    """A server with the plugin, and a client of it."""
    async with running_server(database, [HelloWorldPlugin]) as client:
        yield client


async def test_each_tenant_greets_by_itself(client: Client) -> None:
    """Counts go up per tenant and person, whichever way the greeting comes."""
    stub = greeting_pb2_grpc.GreetingServiceStub(client.channel)
    for times in (1, 2):
        answer = await client.rest("POST", GREETINGS, {"name": "Ada"}, key=WORKER_KEY)
        assert (answer.status_code, answer.json) == (201, {"greeting": "Hello, Ada!", "times": times})
    greeting = await stub.Greet(greeting_pb2.GreetRequest(name="Ada"), metadata=bearer(OTHER_KEY))
    assert (greeting.name, greeting.times) == ("Ada", 1)


async def test_the_list_is_a_page_and_the_stream_is_whole(client: Client) -> None:
    """REST pages through what gRPC streams."""
    for name in ("Grace", "Ada", "Mary"):
        await client.rest("POST", GREETINGS, {"name": name}, key=WORKER_KEY)
    page = await client.rest("GET", GREETINGS, key=WORKER_KEY, params={"limit": 1, "offset": 1})
    assert page.json == {
        "greetings": [{"greeting": "Hello, Grace!", "times": 1}],
        "total": 3,
        "limit": 1,
        "offset": 1,
    }
    stub = greeting_pb2_grpc.GreetingServiceStub(client.channel)
    streamed = stub.ListGreetings(greeting_pb2.ListGreetingsRequest(), metadata=bearer())
    assert [greeting.name async for greeting in streamed] == ["Ada", "Grace", "Mary"]


@pytest.mark.parametrize("name", ["", "x" * 256, "a\x00b"])
async def test_a_name_that_cannot_be_stored_is_refused(client: Client, name: str) -> None:
    """400 and INVALID_ARGUMENT, naming the field."""
    answer = await client.rest("POST", GREETINGS, {"name": name}, key=WORKER_KEY)
    assert (answer.status_code, "name" in answer.json["error"]) == (400, True)
    stub = greeting_pb2_grpc.GreetingServiceStub(client.channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Greet(greeting_pb2.GreetRequest(name=name), metadata=bearer())
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_old_greetings_are_forgotten(client: Client) -> None:
    """Greetings older than the setting are deleted; others stay."""
    greetings = GreetingRepository(client.pool)
    for name in ("old", "new"):
        await greetings.greet(TENANT, name)
    async with client.pool.connection() as connection:
        await connection.execute(
            "UPDATE p_hello_world__greetings SET greeted_at = now() - interval '31 days' WHERE name = 'old'"
        )
    await greetings.forget(days=30)  # or the server's own cleaner was first
    assert [each.name for each in (await greetings.page(TENANT, 10, 0))[0]] == ["new"]


async def test_the_visitor_may_look_and_not_touch(database: str) -> None:
    """Authenticator and authorizer work where the configuration lists them."""
    endpoint = {"authenticators": ["static_api_key", "hello_world"], "authorizer": "hello_world_read_only"}
    config = {
        **CONFIG,
        "auth": {**CONFIG["auth"], "endpoints": {"http": endpoint}},
        "plugins": {"hello_world": {"visitor_key": VISITOR_KEY, "visitor_tenant": str(TENANT)}},
    }
    async with running_server(database, [HelloWorldPlugin], config) as client:
        assert (await client.rest("GET", GREETINGS, key=VISITOR_KEY)).status_code == 200
        assert (await client.rest("POST", GREETINGS, {"name": "Ada"}, key=VISITOR_KEY)).status_code == 403
        assert (await client.rest("GET", GREETINGS, key=VISITOR_KEY + "!")).status_code == 401


async def test_without_a_key_the_authenticator_refuses_the_start(database: str) -> None:
    """The message says what to set."""
    config = {**CONFIG, "auth": {"endpoints": {"http": {"authenticators": ["hello_world"]}}}}
    with pytest.raises(PluginError, match="visitor_key and visitor_tenant"):
        async with running_server(database, [HelloWorldPlugin], config):
            pass


async def test_refusals_are_counted(client: Client) -> None:
    """The observer sees a call with wrong credentials."""
    assert (await client.rest("GET", GREETINGS, key="nonsense")).status_code == 401
    text = (await client.rest("GET", "/_/metrics")).text
    assert 'flovyn_hello_world_refusals_total{protocol="http"} 1.0' in text
