"""Tokens over REST: every route, the older paths, what is refused, and who may."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from openapi_spec_validator import validate

from plugins.worker_token.plugin import WorkerTokenPlugin
from plugins.worker_token.tests.workbench import CONFIG_WITH_USERS, OTHER_USER_KEY, USER_KEY, serving
from tests.support.running import OPERATOR_KEY, WORKER_KEY, Client, running_server

TOKENS = "/api/v1/p/worker-token/tokens"
OLDER = ["/api/tenants/test/worker-tokens", "/api/orgs/test/worker-tokens", "/api/v1/tenants/test/worker-tokens"]
OWN_TENANT = "/api/v1/tenants/test"


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    async with serving(database) as client:
        yield client


async def _create(client: Client, path: str = TOKENS, key: str = USER_KEY, **more: object) -> dict[str, Any]:
    created = await client.rest("POST", path, {"displayName": "ci", **more}, key=key)
    assert created.status_code == 201, created.text
    assert created.headers["cache-control"] == "no-store"
    found: dict[str, Any] = created.json
    return found


async def _status(client: Client, method: str, path: str, body: object = None, key: str = USER_KEY) -> int:
    return int((await client.rest(method, path, body, key=key)).status_code)


async def test_a_new_token_is_shown_once_and_admits_its_tenant(client: Client) -> None:
    """The answer has the members of the protocol and no others; only prefix and HMAC are stored."""
    created = await _create(client)
    assert created.keys() == {"id", "token", "displayName", "prefix", "createdAt"}
    token = created["token"]
    assert (token[:16], created["displayName"], created["createdAt"][-1]) == (created["prefix"], "ci", "Z")
    assert await _status(client, "GET", OWN_TENANT, key=token) == 200
    assert await _status(client, "GET", "/api/v1/tenants/other", key=token) == 404
    async with client.pool.connection() as connection:
        rows = await (await connection.execute("SELECT * FROM p_worker_token__tokens")).fetchall()
    assert token not in json.dumps(rows, default=str)
    for path in (TOKENS, f"{TOKENS}/{created['id']}"):
        assert token not in (await client.rest("GET", path, key=USER_KEY)).text


async def test_the_fields_of_the_creation_come_back(client: Client) -> None:
    """Description and end are part of the answer, and of the token ever after."""
    ends = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    created = await _create(client, description="for the nightly build", expiresAt=ends.isoformat())
    assert (created["description"], created["expiresAt"]) == (
        "for the nightly build",
        ends.isoformat().replace("+00:00", "Z"),
    )
    found = (await client.rest("GET", f"{TOKENS}/{created['id']}", key=USER_KEY)).json
    assert {name: found[name] for name in ("description", "expiresAt", "prefix", "createdAt")} == {
        name: created[name] for name in ("description", "expiresAt", "prefix", "createdAt")
    }
    assert {found[name] for name in ("lastUsedAt", "rotatedAt", "revokedAt", "previousValidUntil")} == {None}


async def test_lists_have_pages_and_leave_out_what_is_revoked(client: Client) -> None:
    """Oldest first; revoked tokens are there when they are asked for."""
    ids = [(await _create(client))["id"] for _ in range(5)]
    await _create(client, key=OTHER_USER_KEY)
    assert await _status(client, "DELETE", f"{TOKENS}/{ids[0]}") == 204
    page = (await client.rest("GET", TOKENS, key=USER_KEY, params={"limit": 2, "offset": 1})).json
    assert [each["id"] for each in page["tokens"]] == ids[2:4]
    assert {name: page[name] for name in ("total", "limit", "offset")} == {"total": 4, "limit": 2, "offset": 1}
    everything = (await client.rest("GET", TOKENS, key=USER_KEY, params={"includeRevoked": "true"})).json
    assert ([each["id"] for each in everything["tokens"]], everything["total"]) == (ids, 5)
    assert [each["revokedAt"] is None for each in everything["tokens"]] == [False, *[True] * 4]


async def test_a_revoked_token_is_refused_and_stays_revoked(client: Client) -> None:
    """At once in this process; revoking again is no error and keeps the first time."""
    created = await _create(client)
    path = f"{TOKENS}/{created['id']}"
    assert await _status(client, "GET", OWN_TENANT, key=created["token"]) == 200
    assert await _status(client, "DELETE", path) == 204
    assert await _status(client, "GET", OWN_TENANT, key=created["token"]) == 401
    first = (await client.rest("GET", path, key=USER_KEY)).json["revokedAt"]
    assert await _status(client, "DELETE", path) == 204
    assert (await client.rest("GET", path, key=USER_KEY)).json["revokedAt"] == first
    rotated = await client.rest("POST", f"{path}/rotate", {}, key=USER_KEY)
    assert (rotated.status_code, rotated.json["code"]) == (409, "wrong_state")


async def test_a_rotation_overlaps_for_as_long_as_the_caller_says(client: Client) -> None:
    """Without an overlap the old secret is refused at once; with one, both admit."""
    created = await _create(client)
    path = f"{TOKENS}/{created['id']}/rotate"
    second = (await client.rest("POST", path, {"overlapSeconds": 60}, key=USER_KEY)).json
    assert (second["id"], second["displayName"]) == (created["id"], "ci")
    assert second["previousValidUntil"]
    for token in (created["token"], second["token"]):
        assert await _status(client, "GET", OWN_TENANT, key=token) == 200
    third = (await client.rest("POST", path, {}, key=USER_KEY)).json
    statuses = [await _status(client, "GET", OWN_TENANT, key=each["token"]) for each in (created, second, third)]
    assert statuses == [401, 401, 200]


@pytest.mark.parametrize("path", OLDER)
async def test_the_older_paths_lead_to_the_same_tokens(client: Client, path: str) -> None:
    """Create, list, get, rotate and revoke under the tenant's slug; another tenant's slug is not found."""
    created = await _create(client, path)
    listed = (await client.rest("GET", path, key=USER_KEY)).json
    assert [each["id"] for each in listed["tokens"]] == [created["id"]]
    assert (await client.rest("GET", f"{path}/{created['id']}", key=USER_KEY)).json == listed["tokens"][0]
    assert await _status(client, "POST", f"{path}/{created['id']}/rotate", {}) == 200
    assert await _status(client, "DELETE", f"{path}/{created['id']}") == 204
    assert (await client.rest("GET", TOKENS, key=USER_KEY)).json["tokens"] == []
    assert await _status(client, "GET", path.replace("test", "other")) == 404
    assert await _status(client, "GET", path, key=OTHER_USER_KEY) == 404


async def test_tokens_of_another_tenant_do_not_exist(client: Client) -> None:
    """To get, rotate and revoke them is 404, as for unknown ids and texts that are no id."""
    foreign = (await _create(client, key=OTHER_USER_KEY))["id"]
    for token_id in (foreign, uuid4(), "x", "%00"):
        assert await _status(client, "GET", f"{TOKENS}/{token_id}") == 404
        assert await _status(client, "POST", f"{TOKENS}/{token_id}/rotate", {}) == 404
        assert await _status(client, "DELETE", f"{TOKENS}/{token_id}") == 404
    assert (await client.rest("GET", f"{TOKENS}/{foreign}", key=OTHER_USER_KEY)).json["revokedAt"] is None


@pytest.mark.parametrize("authorizer", ["tenant_scope", "roles"])
async def test_a_worker_cannot_make_rotate_or_revoke_tokens(database: str, authorizer: str) -> None:
    """Neither by a token nor by a static key, under either authorizer; a look at them is a matter of the authorizer."""
    async with serving(database, AUTH__ENDPOINTS__HTTP__AUTHORIZER=authorizer) as client:
        created = await _create(client)
        path = f"{TOKENS}/{created['id']}"
        for key in (created["token"], WORKER_KEY):
            for place in (TOKENS, *OLDER):
                refused = await client.rest("POST", place, {"displayName": "mine"}, key=key)
                assert (refused.status_code, refused.json["error"]) == (403, "Worker may not create worker-token")
            assert await _status(client, "POST", f"{path}/rotate", {}, key) == 403
            assert await _status(client, "DELETE", path, key=key) == 403
            assert await _status(client, "GET", TOKENS, key=key) == (200 if authorizer == "tenant_scope" else 403)
        assert await _status(client, "POST", TOKENS, {"displayName": "x"}, OPERATOR_KEY) == 403
        assert (await client.rest("GET", TOKENS, key=USER_KEY)).json["total"] == 1


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "displayName"),
        ({"displayName": ""}, "displayName"),
        ({"displayName": "x" * 256}, "displayName"),
        ({"displayName": "a\x00"}, "NUL"),
        ({"displayName": "x", "description": "d" * 2001}, "description"),
        ({"displayName": "x", "description": "\x00"}, "NUL"),
        ({"displayName": "x", "expiresAt": "2000-01-01T00:00:00Z"}, "future"),
        ({"displayName": "x", "expiresAt": "2100-01-01T00:00:00"}, "expiresAt"),
        ({"displayName": "x", "expiresAt": "tomorrow"}, "expiresAt"),
        ({"displayName": "x", "token": "fwt_mine"}, "token"),
    ],
)
async def test_malformed_tokens_are_refused_by_field(client: Client, body: object, named: str) -> None:
    """400, and nothing is made."""
    answer = await client.rest("POST", TOKENS, body, key=USER_KEY)
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_input")
    assert named in answer.json["error"]
    assert (await client.rest("GET", TOKENS, key=USER_KEY)).json["total"] == 0


@pytest.mark.parametrize("seconds", [-1, 604_801, "soon", 1.5, 10**30])
async def test_overlaps_have_bounds(client: Client, seconds: object) -> None:
    """From nothing to seven days."""
    path = f"{TOKENS}/{(await _create(client))['id']}/rotate"
    assert await _status(client, "POST", path, {"overlapSeconds": seconds}) == 400


async def test_without_a_secret_no_token_is_made(database: str) -> None:
    """A server that runs without the authenticator says what is missing, and lists tokens all the same."""
    only_keys = '["static_api_key"]'
    lists = {f"AUTH__ENDPOINTS__{each}__AUTHENTICATORS": only_keys for each in ("HTTP", "GRPC")}
    async with running_server(database, [WorkerTokenPlugin], CONFIG_WITH_USERS, **lists) as client:
        refused = await client.rest("POST", TOKENS, {"displayName": "x"}, key=USER_KEY)
        assert (refused.status_code, "WORKER_TOKEN_SECRET" in refused.json["error"]) == (501, True)
        assert await _status(client, "GET", TOKENS) == 200


async def test_revocation_reaches_another_server_within_a_second(database: str) -> None:
    """Two servers that both remember the token; asked again and again, the second refuses it in time."""
    async with serving(database) as one, serving(database) as two:
        created = await _create(one)
        loop = asyncio.get_running_loop()
        for server in (one, two):
            assert await _status(server, "GET", OWN_TENANT, key=created["token"]) == 200
        assert await _status(one, "DELETE", f"{TOKENS}/{created['id']}") == 204
        revoked_at = loop.time()
        assert await _status(one, "GET", OWN_TENANT, key=created["token"]) == 401
        asked_at = loop.time()
        while await _status(two, "GET", OWN_TENANT, key=created["token"]) == 200:
            assert asked_at - revoked_at < 1, "a call that began a second after the revocation was admitted"
            asked_at = loop.time()


async def test_uses_are_noted_and_refusals_logged_without_being_asked(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The keeper runs in the server; what it has not done when the server stops is done then."""
    async with serving(database) as client:
        created = await _create(client)
        assert await _status(client, "GET", OWN_TENANT, key=created["token"]) == 200
        assert await _status(client, "GET", OWN_TENANT, key="fwt_" + "x" * 43) == 401
        metrics = (await client.rest("GET", "/_/metrics")).text
        assert 'flovyn_worker_token_checks_total{outcome="unknown"} 1.0' in metrics
    async with serving(database) as client:
        found = (await client.rest("GET", f"{TOKENS}/{created['id']}", key=USER_KEY)).json
    assert found["lastUsedAt"] is not None
    assert "worker tokens were refused: unknown, 1 times" in caplog.text
    assert created["token"] not in caplog.text


async def test_the_openapi_document_tells_of_tokens(client: Client) -> None:
    """Models with the plugin's prefix, a description of its tag, and a valid document."""
    document = (await client.rest("GET", "/api/docs/openapi.json", key=USER_KEY)).json
    validate(document)
    assert {"worker_token.NewToken", "worker_token.TokenList", "worker_token.CreateToken"} <= document["components"][
        "schemas"
    ].keys()
    assert document["paths"][TOKENS].keys() == {"get", "post"}
    tag = next(each for each in document["tags"] if each["name"] == "worker-token")
    assert "shown once" in tag["description"]
