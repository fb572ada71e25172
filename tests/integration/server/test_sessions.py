"""BrowserSessions of browsers: what their cookies may do, what ends them, and which requests with them are refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from falcon import testing

from tests.support.calls import rows, start
from tests.support.running import CONFIG, OPERATOR_KEY, TENANT, WORKER_KEY, Client, running_server

ADMIN_KEY = "admin-key-0123456789abcdef"
ADMIN = {"key": ADMIN_KEY, "tenant_id": str(TENANT), "role": "ADMIN", "principal_id": "ada"}
OWN = {"sec-fetch-site": "same-origin"}
CHANGE = {**OWN, "x-flovyn-session": "1"}
WORKFLOWS = "/api/v1/tenants/test/workflow-executions"


def with_keys(*keys: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """Return the tests' configuration with these keys beside its own."""
    known = CONFIG["auth"]["static_api_key"]["keys"]
    return {**CONFIG, "auth": {"static_api_key": {"keys": [*known, *keys]}, **more}}


@pytest.fixture
async def client(database: str) -> AsyncIterator[Client]:
    """A server that knows an administrator of the test's tenant."""
    async with running_server(database, (), with_keys(ADMIN)) as running:
        yield running


async def sign_in(client: Client, key: str = ADMIN_KEY, **headers: str) -> testing.Result:
    """Open a session with a key."""
    sent = [("authorization", f"Bearer {key}"), *((name.replace("_", "-"), text) for name, text in headers.items())]
    answer = await client.rest("POST", "/api/v1/session", headers=sent)
    assert answer.status_code == 201, answer.json
    return answer


def cookie_in(answer: testing.Result) -> str:
    """Return the session's cookie as a browser sends it back."""
    return str(answer.headers["set-cookie"]).partition(";")[0]


async def ask(client: Client, method: str, path: str, cookie: str, headers: Mapping[str, str] = OWN) -> testing.Result:
    """Send a request with a session's cookie and no other credentials."""
    return await client.rest(method, path, headers=[("cookie", cookie), *headers.items()], host="flovyn.test")


async def test_a_session_has_the_rights_of_its_credential(client: Client) -> None:
    """It reads and changes what the key may, and is refused where the key is."""
    cookie = cookie_in(await sign_in(client))
    await start(client)
    assert (await ask(client, "GET", WORKFLOWS, cookie)).json["total"] == 1
    assert (await ask(client, "GET", "/api/v1/tenants/other/workflow-executions", cookie)).status_code == 404
    assert (await ask(client, "GET", "/api/v1/tenants", cookie)).status_code == 403


async def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(client: Client) -> None:
    """HttpOnly and SameSite always; Secure behind TLS; the path is the one below which the server is seen."""
    plain = str((await sign_in(client)).headers["set-cookie"])
    assert "HttpOnly" in plain
    assert "SameSite=Strict" in plain
    assert "Path=/;" in plain + ";"
    assert "Secure" not in plain
    behind = str((await sign_in(client, x_forwarded_proto="https", x_forwarded_prefix="/flovyn")).headers["set-cookie"])
    assert "Secure" in behind
    assert "Path=/flovyn/" in behind


@pytest.mark.parametrize("prefix", ["//evil.example", "/a/../b", "/a;Path=/", "/a b", "flovyn"])
async def test_a_prefix_that_is_no_path_is_left_out(client: Client, prefix: str) -> None:
    """The header cannot lead a cookie or a page elsewhere."""
    assert "Path=/;" in str((await sign_in(client, x_forwarded_prefix=prefix)).headers["set-cookie"]) + ";"


async def test_neither_the_database_nor_the_cookie_tells_the_credential(client: Client) -> None:
    """The row holds a digest and sealed bytes, the cookie holds a secret."""
    cookie = cookie_in(await sign_in(client))
    [(digest, sealed)] = await rows(client, "SELECT secret_digest, sealed FROM session")
    secret = cookie.rpartition(".")[2]
    assert ADMIN_KEY not in cookie
    assert ADMIN_KEY.encode() not in bytes(sealed)
    assert bytes.fromhex(secret) not in (bytes(digest), bytes(sealed))


async def test_sign_in_needs_a_credential_that_the_server_admits(client: Client) -> None:
    """Without one, with an unknown one, or with nothing but a session, no session is opened."""
    for headers in ([], [("authorization", "Bearer unknown-key-0123456789")]):
        assert (await client.rest("POST", "/api/v1/session", headers=headers)).status_code == 401
    cookie = cookie_in(await sign_in(client))
    assert (await ask(client, "POST", "/api/v1/session", cookie, CHANGE)).status_code == 401
    assert len(await rows(client, "SELECT 1 FROM session")) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        OWN,
        {"x-flovyn-session": "1"},
        {**CHANGE, "sec-fetch-site": "cross-site"},
        {**CHANGE, "sec-fetch-site": "same-site"},
        {**CHANGE, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
        {**CHANGE, "origin": "https://evil.example"},
        {**CHANGE, "origin": "null"},
        {"x-flovyn-session": "1", "origin": "https://flovyn.test.evil.example"},
        {"x-flovyn-session": "1", "origin": "https://flovyn.test:81"},
    ],
)
async def test_a_change_that_another_site_causes_is_refused(client: Client, headers: Mapping[str, str]) -> None:
    """A missing header, a forged origin and a request of another site are answered with 403, and do nothing."""
    cookie = cookie_in(await sign_in(client))
    assert (await ask(client, "DELETE", "/api/v1/session", cookie, headers)).status_code == 403
    assert (await ask(client, "GET", WORKFLOWS, cookie)).status_code == 200


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", "kind=order"),
        (
            "multipart/form-data; boundary=b",
            '--b\r\ncontent-disposition: form-data; name="kind"\r\n\r\norder\r\n--b--\r\n',
        ),
        ("text/plain", '{"kind": "order", "a": "="}'),
        (None, '{"kind": "order"}'),
    ],
)
async def test_a_form_of_another_site_starts_nothing(client: Client, content_type: str | None, body: str) -> None:
    """Without the header of the console it is refused; with it, the body must be JSON, which no form sends."""
    cookie = cookie_in(await sign_in(client))
    sent = [("cookie", cookie), *([("content-type", content_type)] if content_type else [])]
    for more, code in (([], 403), (list(CHANGE.items()), 400 if content_type else 201)):
        async with testing.ASGIConductor(client.app) as conductor:
            answer = await conductor.simulate_post(WORKFLOWS, headers=[*sent, *more], body=body, host="flovyn.test")
        assert answer.status_code == code, (more, answer.text)


@pytest.mark.parametrize(
    "headers",
    [
        CHANGE,
        {**CHANGE, "origin": "https://flovyn.test"},
        {"x-flovyn-session": "1", "origin": "http://flovyn.test"},
        {"x-flovyn-session": "1", "origin": "https://shown.example", "x-forwarded-host": "shown.example"},
    ],
)
async def test_a_change_by_a_page_of_the_server_is_admitted(client: Client, headers: Mapping[str, str]) -> None:
    """The browser says that the page is the server's own, or its origin is the host of the request."""
    cookie = cookie_in(await sign_in(client))
    answer = await ask(client, "DELETE", "/api/v1/session", cookie, headers)
    assert answer.status_code == 204
    assert "1970" in answer.headers["set-cookie"]  # the browser forgets it
    assert (await ask(client, "GET", WORKFLOWS, cookie)).status_code == 401


async def test_a_page_of_another_site_reads_nothing(client: Client) -> None:
    """A request of a sibling domain, which has the cookie, is refused; a link that is followed is not."""
    cookie = cookie_in(await sign_in(client))
    away = {"sec-fetch-site": "same-site"}
    assert (await ask(client, "GET", WORKFLOWS, cookie, away)).status_code == 403
    assert (await ask(client, "GET", WORKFLOWS, cookie, {**away, "sec-fetch-mode": "navigate"})).status_code == 200


async def test_a_configured_origin_is_the_servers_own(database: str) -> None:
    """A proxy that changes the host and says nothing of it is named by ``sessions.origins``."""
    config = {**with_keys(ADMIN), "sessions": {"origins": ["https://shown.example"]}}
    headers = {"x-flovyn-session": "1", "origin": "https://shown.example"}
    async with running_server(database, (), config) as client:
        cookie = cookie_in(await sign_in(client))
        assert (await ask(client, "DELETE", "/api/v1/session", cookie, headers)).status_code == 204


async def test_credentials_of_the_request_win(client: Client) -> None:
    """A request with an ``authorization`` header is its caller's, whatever cookie comes with it."""
    cookie = cookie_in(await sign_in(client))
    headers = [("cookie", cookie), ("authorization", f"Bearer {OPERATOR_KEY}")]
    assert (await client.rest("GET", "/api/v1/me", headers=headers)).json["principalId"] == "operator:test"


async def test_a_stolen_session_ends_when_its_owner_ends_all(client: Client) -> None:
    """Each session of the principal ends, and no session of another one."""
    stolen, own = cookie_in(await sign_in(client)), cookie_in(await sign_in(client))
    other = cookie_in(await sign_in(client, OPERATOR_KEY))
    assert (await ask(client, "GET", WORKFLOWS, stolen)).status_code == 200
    assert (await ask(client, "DELETE", "/api/v1/sessions", own, CHANGE)).status_code == 204
    for cookie in (stolen, own):
        assert (await ask(client, "GET", WORKFLOWS, cookie)).status_code == 401
    assert (await ask(client, "GET", "/api/v1/me", other)).status_code == 200


async def test_a_session_survives_a_restart_and_ends_with_its_key(database: str) -> None:
    """Another process knows it; one whose configuration lacks the key does not admit it."""
    async with running_server(database, (), with_keys(ADMIN)) as client:
        cookie = cookie_in(await sign_in(client))
    async with running_server(database, (), with_keys(ADMIN)) as client:
        assert (await ask(client, "GET", WORKFLOWS, cookie)).status_code == 200
    async with running_server(database) as client:
        assert (await ask(client, "GET", WORKFLOWS, cookie)).status_code == 401


@pytest.mark.parametrize("change", ["expires_at = now()", "used_at = now() - interval '12 hours'"])
async def test_a_session_ends_after_its_time(client: Client, change: str) -> None:
    """It ends when it is old, and when it was not used for long."""
    cookie = cookie_in(await sign_in(client))
    await rows(client, f"UPDATE session SET {change} RETURNING 1")
    assert (await ask(client, "GET", WORKFLOWS, cookie)).status_code == 401


async def test_each_use_is_noted_once_in_a_minute(client: Client) -> None:
    """A session that is used does not become idle."""
    cookie = cookie_in(await sign_in(client))
    await rows(client, "UPDATE session SET used_at = now() - interval '11 hours' RETURNING 1")
    assert (await ask(client, "GET", WORKFLOWS, cookie)).status_code == 200
    assert await rows(client, "SELECT used_at > now() - interval '1 minute' FROM session") == [(True,)]


@pytest.mark.parametrize("text", ["x", "..", f"{TENANT.hex}.", f"{TENANT.hex}.{'0' * 64}", f"{TENANT.hex}.{'0' * 62}"])
async def test_a_cookie_that_names_no_session_is_no_credential(client: Client, text: str) -> None:
    """Made-up cookies are answered as no credentials are."""
    assert (await ask(client, "GET", WORKFLOWS, f"flovyn_session={text}")).status_code == 401


async def test_a_session_of_another_tenant_is_not_found_under_ones_own(client: Client) -> None:
    """The tenant in the cookie is part of the session's name: a changed one names nothing."""
    cookie = cookie_in(await sign_in(client))
    changed = cookie.replace(TENANT.hex, "22222222222242228222222222222222")
    assert (await ask(client, "GET", "/api/v1/tenants/other/workflow-executions", changed)).status_code == 401


async def test_me_tells_who_calls_and_what_it_may_do(client: Client) -> None:
    """An administrator, a worker and an operator see themselves, and rights that differ."""
    found = (await client.rest("GET", "/api/v1/me", key=ADMIN_KEY)).json
    assert (found["principalId"], found["role"], found["tenant"]["slug"]) == ("ada", "ADMIN", "test")
    assert found["session"] is None
    assert "execute" in found["may"]["workflow"]
    operator = (await client.rest("GET", "/api/v1/me", key=OPERATOR_KEY)).json
    assert (operator["isOperator"], operator["tenant"]) == (True, None)
    assert "workflow" not in operator["may"]
    assert "create" in operator["may"]["tenant"]


async def test_me_follows_the_authorizer_of_each_route(database: str) -> None:
    """A worker under ``roles`` is told that it may not see what workers may not."""
    config = with_keys(ADMIN, endpoints={"http": {"authorizer": "roles"}})
    async with running_server(database, (), config) as client:
        assert "schedule" not in (await client.rest("GET", "/api/v1/me", key=WORKER_KEY)).json["may"]
        assert "schedule" in (await client.rest("GET", "/api/v1/me", key=ADMIN_KEY)).json["may"]


async def test_expired_sessions_are_deleted(client: Client) -> None:
    """The cleaner deletes sessions that are over, and leaves the others."""
    from server.storage.browser_sessions import SessionRepository

    await sign_in(client)
    await sign_in(client)
    await rows(
        client,
        "UPDATE session SET expires_at = now() WHERE secret_digest = (SELECT min(secret_digest) FROM session) RETURNING 1",
    )
    await SessionRepository(client.pool).clean()  # the server's own cleaner may have come first
    assert len(await rows(client, "SELECT 1 FROM session")) == 1
