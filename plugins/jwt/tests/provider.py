"""An identity provider: keys, the tokens that it signs, and its key set, in memory or served over HTTP on loopback."""

from __future__ import annotations

import functools
import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from core.auth import AuthRequest, AuthResponse, Protocol
from core.tenant import Tenant
from plugins.jwt.authenticator import JwtAuthenticator
from plugins.jwt.config import JwtConfig
from plugins.jwt.jwks import Fetch, Jwks
from plugins.jwt.keys import VerificationKey, read_keys
from plugins.jwt.verifier import Verifier

ISSUER = "https://issuer.test/"
AUDIENCE = "flovyn"
TENANT = UUID("11111111-1111-4111-8111-111111111111")
OTHER_TENANT = UUID("22222222-2222-4222-8222-222222222222")
NOW = datetime(2026, 1, 1, tzinfo=UTC)

_log = logging.getLogger("plugins.jwt")


@functools.cache
def key_of(algorithm: str, _number: int = 0) -> Any:
    """Return a private key; the number tells keys of one kind apart."""
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(65537, 2048)


def public_jwk(algorithm: str, key: Any, kid: str | None, **more: Any) -> dict[str, Any]:
    """Return a public key as it stands in a key set; a member that is given as None is left out."""
    numbers = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    numbers.pop("key_ops", None)
    entry = {**numbers, "kid": kid, "use": "sig", "alg": algorithm, **more}
    return {name: value for name, value in entry.items() if value is not None}


def key_set(*entries: Mapping[str, Any]) -> bytes:
    """Return a key set."""
    return json.dumps({"keys": entries}).encode()


USUAL = (("RS256", "rsa"), ("ES256", "ec"))


def usual_set() -> bytes:
    """Return a set with one key of each kind, ``rsa`` and ``ec``."""
    return key_set(*(public_jwk(algorithm, key_of(algorithm), kid) for algorithm, kid in USUAL))


def claims(**changed: Any) -> dict[str, Any]:
    """Return good claims with some of them changed; None leaves one out."""
    now = int(NOW.timestamp())
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "user-7",
        "iat": now,
        "exp": now + 600,
        "name": "Ada",
        "email": "ada@example.com",
        "org": {"slug": "test", "role": "ADMIN"},
    }
    return {name: value for name, value in {**good, **changed}.items() if value is not None}


def signed(payload: Mapping[str, Any], algorithm: str = "RS256", key: Any = None, **header: Any) -> str:
    """Return a token; the header names the usual key of the algorithm unless it is told otherwise."""
    headers = {"kid": dict(USUAL).get(algorithm), **header}
    encoded = jwt.encode(
        dict(payload),
        key_of(algorithm) if key is None else key,
        algorithm,
        headers={name: value for name, value in headers.items() if value is not None},
    )
    return str(encoded)


class HandClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        """Return the time."""
        return self.time

    def move(self, seconds: float) -> None:
        """Go on, or back."""
        self.time += timedelta(seconds=seconds)


class FixedTenants:
    """Knows two tenants, ``test`` and ``other``, and counts the questions."""

    def __init__(self) -> None:
        self._tenants = [Tenant(TENANT, "test", "Test"), Tenant(OTHER_TENANT, "other", "Other")]
        self.asked = 0

    async def by_id(self, tenant_id: UUID) -> Tenant | None:
        """Find by id."""
        self.asked += 1
        return next((each for each in self._tenants if each.id == tenant_id), None)

    async def by_slug(self, slug: str) -> Tenant | None:
        """Find by slug."""
        self.asked += 1
        return next((each for each in self._tenants if each.slug == slug), None)


class Checked:
    """An authenticator of the usual settings and keys, with the parts that a test looks at."""

    def __init__(self, fetch: Fetch | None = None, *, verify: bool = True, **settings: Any) -> None:
        known = {"jwks_uri": "https://issuer.test/jwks", "issuer": ISSUER, "audience": AUDIENCE}
        config = JwtConfig.model_validate({**known, **settings})
        self.clock = HandClock()
        self.tenants = FixedTenants()
        self.jwks = Jwks(fetch or fetched(usual_set), timedelta(seconds=config.jwks_max_age), self.clock, _log)
        verifier = Verifier(config.algorithms, self.jwks) if verify else None
        self.authenticator = JwtAuthenticator(config, verifier, self.tenants, self.clock, _log)

    async def __call__(self, token: str | None) -> AuthResponse:
        """Authenticate a call with this bearer token."""
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return await self.authenticator.authenticate(AuthRequest(Protocol.REST, "/x", headers))


def fetched(document: Callable[[], bytes]) -> Fetch:
    """Return a fetch that reads what ``document`` returns."""

    async def fetch() -> Mapping[str, VerificationKey]:
        return read_keys(document())

    return fetch


class Provider:
    """Serves a key set; what it answers can be changed while it runs."""

    def __init__(self) -> None:
        self.document = usual_set()
        self.status = 200
        self.redirects: dict[str, str] = {}
        self.asked: list[str] = []
        self.arrived = threading.Event()
        self.stuck: threading.Event | None = None
        self.uri = ""


@contextmanager
def serving() -> Iterator[Provider]:
    """Run a provider on a free port of loopback."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.asked.append(self.path)
            provider.arrived.set()
            place = provider.redirects.get(self.path)
            self.send_response(provider.status if place is None else 302)
            if place is not None:
                self.send_header("location", place)
            self.send_header("content-length", "0" if place is not None else str(len(provider.document)))
            self.end_headers()
            if provider.stuck is not None:
                self.wfile.write(provider.document[:10])
                provider.stuck.wait(60)
            elif place is None:
                self.wfile.write(provider.document)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    provider.uri = f"http://127.0.0.1:{server.server_port}/jwks.json"
    try:
        yield provider
    finally:
        if provider.stuck is not None:
            provider.stuck.set()
        server.shutdown()
        thread.join()
        server.server_close()
