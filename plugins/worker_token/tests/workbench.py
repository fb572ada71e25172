"""The plugin's parts on a real PostgreSQL with clocks that a test moves, and whole servers with users' keys."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from core.auth import AuthRequest, AuthResponse, Identity, PrincipalType, Protocol
from core.errors import Unavailable
from core.tenant import NewTenant
from plugins.worker_token.authenticator import WorkerTokenAuthenticator
from plugins.worker_token.config import WorkerTokenConfig
from plugins.worker_token.domain import WorkerToken
from plugins.worker_token.parts import Parts
from plugins.worker_token.plugin import WorkerTokenPlugin
from plugins.worker_token.repository import WorkerTokenRepository
from server.config.settings import DatabasePool
from server.database.connecting import connect
from server.database.pool import Pool, open_pool
from server.migrator.migrator import Migrator, owners
from server.observability.metrics import MetricsRegistry
from server.storage.tenants import TenantRepository
from tests.support.running import CONFIG, OTHER_TENANT, TENANT, Client, running_server
from tests.support.services import lent

KEY = "0123456789abcdef0123456789abcdef"
OLDER_KEY = "fedcba9876543210fedcba9876543210"
USER_KEY = "flovyn_sk_test_0123456789abcdef"
OTHER_USER_KEY = "flovyn_sk_test_other_0123456789"
USER = Identity(PrincipalType.USER, "user:test", TENANT)
PEER = "192.0.2.1"
LOGGER = logging.getLogger("plugins.worker_token")


def _user(key: str, tenant_id: UUID) -> dict[str, str]:
    return {"key": key, "tenant_id": str(tenant_id), "principal_type": "User", "role": "ADMIN"}


_KEYS = [*CONFIG["auth"]["static_api_key"]["keys"], _user(USER_KEY, TENANT), _user(OTHER_USER_KEY, OTHER_TENANT)]
CONFIG_WITH_USERS = {**CONFIG, "auth": {"static_api_key": {"keys": _KEYS}}}


def serving(database: str, **environ: str) -> AbstractAsyncContextManager[Client]:
    """Run a server with the plugin, and with keys of users."""
    return running_server(database, [WorkerTokenPlugin], CONFIG_WITH_USERS, **{"WORKER_TOKEN_SECRET": KEY, **environ})


class Time:
    """Both clocks of the plugin: the time of day, and seconds that only grow."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)
        self.seconds = time.monotonic()

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.seconds += seconds


class Watched:
    """The pool, with its statements counted; it can be taken away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.statements = 0
        self.away = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        if self.away:
            raise Unavailable("the database cannot serve this call at the moment; try again")
        self.statements += 1
        async with self._pool.connection() as connection:
            yield connection

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        return self._pool.transaction()


class Bench:
    """One process's plugin. ``settings`` are those of ``[plugins.worker_token]``."""

    def __init__(self, pool: Pool, time_: Time, settings: dict[str, Any]) -> None:
        self.pool = pool
        self.time = time_
        self.database = Watched(pool)
        self.metrics = MetricsRegistry()
        self.parts = self.process(**settings)
        self.repository = WorkerTokenRepository(self.database)

    def process(self, **settings: Any) -> Parts:
        """Another process of the deployment, with its own memory and settings, on the same database."""
        services = lent(
            database=self.database,
            clock=self.time,
            settings=WorkerTokenConfig.model_validate({"secret": KEY, **settings}),
            logger=LOGGER,
            metrics=self.metrics.of("worker_token"),
        )
        return Parts(services, self.time.monotonic)

    async def create(self, tenant_id: UUID = TENANT, **more: Any) -> tuple[WorkerToken, str]:
        """Create a token; return it as stored and as shown."""
        stored, generated = await self.parts.service.create(USER, tenant_id, "ci", **more)
        return stored, generated.token

    async def check(self, token: str, peer: str = PEER, parts: Parts | None = None) -> AuthResponse:
        """Offer the token to the authenticator, as a call over REST would."""
        request = AuthRequest(Protocol.REST, "/x", {"authorization": f"Bearer {token}"}, peer)
        return await WorkerTokenAuthenticator((parts or self.parts).checker).authenticate(request)

    async def stored(self, token_id: UUID, tenant_id: UUID = TENANT) -> WorkerToken:
        """Return the token as the database has it."""
        found = await self.repository.get(tenant_id, token_id)
        assert found is not None
        return found

    async def execute(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run a statement on the side."""
        async with self.pool.connection() as connection:
            cursor = await connection.execute(statement.encode(), parameters)
            return await cursor.fetchall() if cursor.description else []

    def counted(self, outcome: str) -> float:
        """Return how many checks ended like this."""
        name = f'flovyn_worker_token_checks_total{{outcome="{outcome}"}} '
        lines = self.metrics.text().decode().splitlines()
        return next((float(line[len(name) :]) for line in lines if line.startswith(name)), 0)


@asynccontextmanager
async def bench(database: str, **settings: Any) -> AsyncIterator[Bench]:
    """Make a workbench on a database with the core schema."""
    await Migrator(lambda: connect(database, timeout=5), {}, "test").apply(owners([WorkerTokenPlugin()]))
    async with open_pool(database, DatabasePool()) as pool:
        tenants = [NewTenant(TENANT, "test", "Test"), NewTenant(OTHER_TENANT, "other", "Other")]
        await TenantRepository(pool).upsert(tenants)
        made = Bench(pool, Time(), settings)
        try:
            yield made
        finally:
            made.database.away = False
            await made.parts.keeper.finish()
