"""REST: tenants, errors in one form, and no route without a guard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from falcon import testing

from plugins.hello_world.plugin import HelloWorldPlugin
from plugins.worker_token.plugin import WorkerTokenPlugin
from tests.support.running import OPERATOR_KEY, OTHER_KEY, TENANT, WORKER_KEY, Client, running_server

SECRET = "0123456789abcdef0123456789abcdef"
HEALTH = ("/_/health", "/health", "/_/health/live", "/_/health/startup", "/_/health/ready", "/_/ready")
FILES = {"/api/docs/style.css": 200, "/api/docs/page.js": 200, "/hello-world/files/{version}/{name:path}": 404}
"""Paths that are open by declaration; as it is written here, the last one names no file."""

OF_OPEN_PATHS = dict.fromkeys(HEALTH, 200) | FILES


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    async with running_server(database, [HelloWorldPlugin, WorkerTokenPlugin], WORKER_TOKEN_SECRET=SECRET) as client:
        yield client


async def test_an_operator_creates_and_lists_tenants(client: Client) -> None:
    """201 with the tenant, then it is in the list and at its place."""
    created = await client.rest("POST", "/api/v1/tenants", {"name": "Acme", "slug": "acme", "region": "eu"})
    assert created.status_code == 201
    assert created.headers["location"] == "/api/v1/tenants/acme"
    assert {key: created.json[key] for key in ("slug", "name", "tier", "region")} == {
        "slug": "acme",
        "name": "Acme",
        "tier": "FREE",
        "region": "eu",
    }
    listed = await client.rest("GET", "/api/v1/tenants", params={"limit": 1, "offset": 2})
    page = {"total": 3, "totalIsExact": True, "limit": 1, "offset": 2, "nextCursor": None}
    assert listed.json == {"tenants": [created.json], **page}
    for name in ("acme", created.json["id"]):
        assert (await client.rest("GET", f"/api/v1/tenants/{name}")).json == created.json


async def test_a_taken_slug_is_a_conflict(client: Client) -> None:
    """409, naming the slug."""
    answer = await client.rest("POST", "/api/v1/tenants", {"name": "T", "slug": "test"})
    assert (answer.status_code, answer.json["code"]) == (409, "already_exists")
    assert "'test'" in answer.json["error"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"name": "A"}, "slug"),
        ({"name": "A", "slug": "No Good"}, "slug"),
        ({"name": "A", "slug": "a", "sulg": "b"}, "sulg"),
        ({"name": "", "slug": "a"}, "name"),
        ({"name": "a\x00", "slug": "a"}, "NUL"),
        ({"name": 7, "slug": "a"}, "name"),
        ([], "body"),
        (None, "JSON"),
    ],
)
async def test_malformed_bodies_are_refused_by_field(client: Client, body: object, named: str) -> None:
    """400 with the field's name, in the one error form."""
    answer = await client.rest("POST", "/api/v1/tenants", body)
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_input")
    assert named in answer.json["error"]


@pytest.mark.parametrize("text", [b"{", b"\xff", b"[" * 100_000, b'{"a": 1' + b" " * 3_000_000])
async def test_bytes_that_are_no_json_are_refused(client: Client, text: bytes) -> None:
    """Never a 500: 400, or 413 for what is too large."""
    async with testing.ASGIConductor(client.app) as conductor:
        headers = {"authorization": f"Bearer {OPERATOR_KEY}"}
        answer = await conductor.simulate_post("/api/v1/tenants", headers=headers, body=text)
    assert answer.status_code in {400, 413}


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "x"},
        {"limit": "0"},
        {"offset": "-1"},
        {"limit": "9" * 50},
        {"offset": "0" * 12 + "9" * 30},
        {"offset": "²"},
    ],
)
async def test_nonsense_pages_are_refused(client: Client, query: dict[str, str]) -> None:
    """Limits and offsets are whole numbers in range."""
    assert (await client.rest("GET", "/api/v1/tenants", params=query)).status_code == 400


async def test_credentials_without_a_tenant_are_nothing_to_a_tenants_route(client: Client) -> None:
    """An operator's key on a plugin's route is refused before anything is written."""
    for path, body in (("worker-token/tokens", {"displayName": "x"}), ("hello-world/greetings", {"name": "x"})):
        assert (await client.rest("POST", f"/api/v1/p/{path}", body, key=OPERATOR_KEY)).status_code == 403


@pytest.mark.parametrize("name", ["%00", "%EF%BF%BD", "a%2Fb", "..", "x" * 2000])
async def test_nonsense_in_a_path_is_not_found(client: Client, name: str) -> None:
    """A tenant of an impossible name does not exist."""
    assert (await client.rest("GET", f"/api/v1/tenants/{name}")).status_code == 404


async def test_a_slug_cannot_look_like_an_id(client: Client) -> None:
    """A tenant whose slug is another's id could never be reached by it."""
    answer = await client.rest("POST", "/api/v1/tenants", {"name": "T", "slug": str(TENANT)})
    assert (answer.status_code, "UUID" in answer.json["error"]) == (400, True)


async def test_tenants_see_themselves_only(client: Client) -> None:
    """One's own tenant is there, another's is not, and the list is the operator's."""
    assert (await client.rest("GET", "/api/v1/tenants/test", key=WORKER_KEY)).json["id"] == str(TENANT)
    assert (await client.rest("GET", "/api/v1/tenants/test", key=OTHER_KEY)).status_code == 404
    assert (await client.rest("GET", "/api/v1/tenants/nobody", key=WORKER_KEY)).status_code == 404
    assert (await client.rest("GET", "/api/v1/tenants", key=WORKER_KEY)).status_code == 403
    assert (await client.rest("POST", "/api/v1/tenants", {"name": "A", "slug": "a"}, key=WORKER_KEY)).status_code == 403


async def test_every_route_but_health_needs_credentials(client: Client) -> None:
    """All routes of the app are enumerated, the plugins' too; without a key each answers 401."""
    app: Any = client.app
    routes = list(_routes(app._router._roots))
    own = {"/api/v1/p/worker-token/tokens", "/api/v1/p/hello-world/greetings"}
    assert {path for path, _ in routes} >= OF_OPEN_PATHS.keys() | own
    for path, methods in routes:
        for method in methods:
            answer = await client.rest(method, path.replace("{slug}", "test"), key=None)
            expected = OF_OPEN_PATHS.get(path, 401)
            assert answer.status_code == expected, (method, path)


def _routes(nodes: list[Any]) -> Any:
    for node in nodes:
        if node.resource is not None:
            yield (
                node.uri_template,
                [
                    name
                    for name in ("GET", "POST", "PUT", "PATCH", "DELETE")
                    if hasattr(node.resource, f"on_{name.lower()}")
                ],
            )
        yield from _routes(node.children)


async def test_every_answer_carries_a_request_id(client: Client) -> None:
    """The caller's own id comes back when it is harmless, a new one otherwise."""

    async def echoed(given: str) -> str:
        async with testing.ASGIConductor(client.app) as conductor:
            answer: testing.Result = await conductor.simulate_get("/_/health", headers={"x-request-id": given})
        return str(answer.headers["x-request-id"])

    assert await echoed("abc-1") == "abc-1"
    assert await echoed("a b") != "a b"
    assert len(await echoed("x" * 65)) == 16


async def test_errors_of_paths_and_methods_have_the_one_form(client: Client) -> None:
    """404 and 405 look like every other error."""
    missing = await client.rest("GET", "/api/v2")
    assert (missing.status_code, missing.json["code"]) == (404, "not_found")
    wrong = await client.rest("DELETE", "/api/v1/tenants")
    assert (wrong.status_code, wrong.json["code"]) == (405, "method_not_allowed")
    assert "GET" in wrong.headers["allow"]


async def test_hello_world_greets_each_tenant_by_itself(client: Client) -> None:
    """The example plugin's one route writes its one table, per tenant."""

    async def greet(key: str) -> Any:
        answer = await client.rest("POST", "/api/v1/p/hello-world/greetings", {"name": "Ada"}, key=key)
        return answer.json

    assert await greet(WORKER_KEY) == {"greeting": "Hello, Ada!", "times": 1}
    assert await greet(WORKER_KEY) == {"greeting": "Hello, Ada!", "times": 2}
    assert await greet(OTHER_KEY) == {"greeting": "Hello, Ada!", "times": 1}
