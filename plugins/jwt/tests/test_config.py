"""The settings: nonsense is named by its key, and what makes a token prove nothing stops the start."""

from __future__ import annotations

from functools import partial
from typing import Any

import jwt
import pytest

from core.errors import ConfigError, PluginError
from plugins.jwt.config import JwtConfig
from plugins.jwt.plugin import JwtPlugin
from plugins.jwt.tests.provider import AUDIENCE, ISSUER, claims
from server.boot.preparation import configure
from server.config.load import validate_section
from tests.support import running
from tests.support.running import CONFIG, WORKER_KEY, running_server

URI = "https://issuer.test/jwks"
WHOLE = {"jwks_uri": URI, "issuer": ISSUER, "audience": AUDIENCE}


def with_jwt(*authenticators: str, **settings: Any) -> dict[str, Any]:
    """Return a configuration with these authenticators on both endpoints, and these settings in ``[auth.jwt]``."""
    endpoint = {"authenticators": ["static_api_key", *authenticators]}
    return {**CONFIG, "auth": {**CONFIG["auth"], "jwt": settings, "endpoints": {"http": endpoint, "grpc": endpoint}}}


def test_a_text_is_a_list_of_one() -> None:
    """Most have one audience, and most claims are no paths."""
    for audience in ("a", ["a"]):
        assert JwtConfig.model_validate({"audience": audience}).audience == ("a",)
    assert JwtConfig.model_validate({"role_claim": []}).role_claim == ()


@pytest.mark.parametrize("uri", [URI, "https://issuer.test:8443/a?b=c", "http://127.0.0.1:1/", "http://[::1]:1/x"])
def test_addresses_that_will_do(uri: str) -> None:
    """https anywhere, http on this machine."""
    assert JwtConfig(jwks_uri=uri).is_configured


NONSENSE: tuple[tuple[str, Any], ...] = (
    ("jwks_uri", "http://issuer.test/jwks"),
    ("jwks_uri", "http://127.0.0.1.issuer.test/"),
    ("jwks_uri", "http://127.0.0.1@issuer.test/"),
    ("jwks_uri", "https://user:hunter2@issuer.test/"),
    ("jwks_uri", "https://issuer.test/#x"),
    ("jwks_uri", "https://issuer.test/a b"),
    ("jwks_uri", "https://issuer.test:99999/"),
    ("jwks_uri", "https://"),
    ("jwks_uri", "file:///etc/passwd"),
    ("jwks_uri", "[" * 3),
    ("jwks_uri", "https://[::1/"),
    ("jwks_uri", ""),
    ("issuer", ""),
    ("issuer", " "),
    ("issuer", ["a"]),
    ("audience", ""),
    ("audience", []),
    ("audience", ["a", ""]),
    ("audience", [1]),
    ("audience", "[hunter2"),
    ("clock_skew", -1),
    ("clock_skew", 601),
    ("clock_skew", "soon"),
    ("algorithms", []),
    ("algorithms", ["HS256"]),
    ("algorithms", "none"),
    ("algorithms", ["RS256", "RS256"]),
    ("jwks_max_age", 59),
    ("skip_verification", "perhaps"),
    ("subject_claim", []),
    ("role_claim", ["org", ""]),
    ("jwks_url", URI),
)


@pytest.mark.parametrize(("key", "value"), NONSENSE)
def test_nonsense_is_named(key: str, value: Any) -> None:
    """The key is in the message, the value is not."""
    with pytest.raises(ConfigError, match=rf"plugins\.jwt\.{key}") as refused:
        validate_section(JwtConfig, "plugins.jwt", {**WHOLE, key: value})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("missing", WHOLE)
async def test_a_missing_setting_stops_the_start(missing: str, database: str) -> None:
    """Without any of the three, a token would prove too little; the text says what to set."""
    settings = {key: value for key, value in WHOLE.items() if key != missing}
    with pytest.raises(PluginError, match=rf"and {missing} is not set.*AUTH__JWT__{missing.upper()}"):
        async with running_server(database, [JwtPlugin], with_jwt("jwt", **settings)):
            pass


async def test_without_the_authenticator_nothing_is_needed(database: str) -> None:
    """An edition with the plugin serves without its settings where no endpoint uses it."""
    async with running_server(database, [JwtPlugin], with_jwt()) as client:
        assert (await client.rest("GET", "/api/v1/tenants/test", key=WORKER_KEY)).status_code == 200


async def test_by_default_it_is_used_once_it_has_settings(database: str) -> None:
    """None at all: left out. Some: the start says what is missing. All: JWTs are checked."""
    async with running_server(database, [JwtPlugin]) as client:
        assert (await client.rest("GET", "/api/v1/tenants/test", key="a.b.c")).json["error"].endswith("this server")
    with pytest.raises(PluginError, match="jwks_uri, audience is not set"):
        async with running_server(database, [JwtPlugin], AUTH__JWT__ISSUER=ISSUER):
            pass
    environ = {f"AUTH__JWT__{key.upper()}": value for key, value in WHOLE.items()}
    environ["AUTH__JWT__JWKS_URI"] = "http://[::1]:1/"
    async with running_server(database, [JwtPlugin], None, **environ) as client:
        answer = await client.rest("GET", "/api/v1/tenants/test", key="a.b.c")
        assert (answer.status_code, answer.json["error"].startswith("the JWT is refused")) == (401, True)


@pytest.mark.parametrize(
    "environ", [{"AUTH__JWT__SKIP_VERIFICATION": "true"}, {"FLOVYN_SECURITY_JWT_SKIP_SIGNATURE_VERIFICATION": "true"}]
)
async def test_skipping_verification_stops_a_server_that_is_not_for_development(
    environ: dict[str, str], database: str
) -> None:
    """Whatever else is set, and by whatever name the switch is called."""
    with pytest.raises(PluginError, match=r"skip_verification.*'flovyn-server dev' alone"):
        async with running_server(database, [JwtPlugin], with_jwt("jwt", **WHOLE), **environ):
            pass


async def test_the_development_server_may_skip_verification(
    database: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so, and accepts an unsigned token, but never makes an operator."""
    monkeypatch.setattr(running, "configure", partial(configure, development=True))
    payload = claims(exp=4_000_000_000, iat=None)
    config = with_jwt("jwt", skip_verification=True)
    async with running_server(database, [JwtPlugin], config) as client:
        for org, status in (({"slug": "test"}, 200), ({"slug": "other"}, 404), ({"role": "OPERATOR"}, 401)):
            key = jwt.encode({**payload, "org": org}, "", "none")
            assert (await client.rest("GET", "/api/v1/tenants/test", key=key)).status_code == status
    assert "NOT verified" in caplog.text


async def test_variables_reach_the_section(database: str) -> None:
    """The names of [auth.jwt] are understood in the environment, and win over the file."""
    environ = {"AUTH__JWT__AUDIENCE": '["x", "y"]', "PLUGINS__JWT__CLOCK_SKEW": "5"}
    async with running_server(database, [JwtPlugin], with_jwt(**WHOLE), **environ) as client:
        settings = client.registry._settings["jwt"]
    assert isinstance(settings, JwtConfig)
    assert (settings.audience, settings.clock_skew, settings.issuer) == (("x", "y"), 5, ISSUER)
