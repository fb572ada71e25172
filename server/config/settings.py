"""Every setting of the server, with its default. The environment wins over the file."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import InvalidInput
from core.tenant import check_slug
from server.config.auth import Auth, Section
from server.config.limits import Limits
from server.config.observability import Log, MetricsSettings
from server.config.sessions import SessionSettings
from server.config.times import contradictions

Port = Annotated[int, Field(ge=0, le=65535)]

BasePath = Annotated[str, Field(pattern=r"^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$", examples=["/flovyn"])]


StoredText = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]


def _valid_slug(slug: str) -> str:
    try:
        return check_slug(slug)
    except InvalidInput as error:
        raise ValueError(str(error)) from None


class TenantEntry(Section):
    """``[[tenants]]`` (or ``[[orgs]]``): a tenant that every start creates or updates.

    Attributes:
        id: a UUID of your choice, which must never change.
        slug: the name of the tenant in paths.
        name: name for people.
        tier: stored and shown; it has no effect.
        region: stored and shown; it has no effect.
    """

    id: Annotated[UUID, Field(examples=["11111111-1111-4111-8111-111111111111"])]
    slug: Annotated[str, AfterValidator(_valid_slug), Field(examples=["acme"])]
    name: Annotated[StoredText, Field(examples=["Acme"])]
    tier: StoredText = "FREE"
    region: StoredText | None = None


class PoolerMode(StrEnum):
    """The sessions that a pooler between the server and PostgreSQL gives its clients."""

    AUTO = "auto"
    SESSION = "session"
    TRANSACTION = "transaction"


class DatabasePool(Section):
    """``[database]``: the pool of connections of each worker process.

    Attributes:
        pooler: "transaction" for a pooler in transaction mode behind ``database_url``, such as PgBouncer; "session" for
            one in session mode, or none; "auto" finds out at the start.
        direct_url: address of the same database for LISTEN, advisory locks and migrations, which need sessions; needed
            with a pooler in transaction mode. Without this key, it is ``database_url``.
        read_url: address of a standby of the same database, for lists and histories over REST; those that it serves may
            be older than the primary's, by at most ``read_max_age``.
        read_max_age: seconds; a standby that is further behind is not read from.
        password_file: file with the password of the role, in the place of one in the addresses; read for each new
            connection.
        password_command: program and arguments whose output is the password, such as a token that is valid for minutes;
            run for new connections, at most once in a minute unless a connection fails.
        servers: number of servers of the deployment, for the budget of connections that ``doctor`` checks.
        pool_size: connections of the pool at most.
        connect_timeout: seconds for which a call waits for a connection.
        statement_timeout: seconds after which a statement is cancelled.
        startup_wait: seconds for which a start waits while the database starts, recovers or cannot be reached; 0 does
            not wait.
    """

    pooler: PoolerMode = PoolerMode.AUTO
    direct_url: Annotated[SecretStr | None, Field(examples=["postgres://user:password@host:5432/flovyn"])] = None
    read_url: Annotated[SecretStr | None, Field(examples=["postgres://user:password@standby:5432/flovyn"])] = None
    read_max_age: float = Field(default=10.0, ge=0.1, le=60)
    password_file: Annotated[str | None, Field(min_length=1, examples=["/run/secrets/database-password"])] = None
    password_command: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    servers: int = Field(default=1, ge=1, le=1000)
    pool_size: int = Field(default=10, ge=2, le=200)
    connect_timeout: float = Field(default=5.0, gt=0)
    statement_timeout: float = Field(default=30.0, gt=0)
    startup_wait: float = Field(default=60.0, ge=0, le=3600)

    @model_validator(mode="after")
    def _sessions(self) -> DatabasePool:
        if self.pooler is PoolerMode.TRANSACTION and self.direct_url is None:
            raise ValueError(
                'pooler = "transaction" needs direct_url: LISTEN, advisory locks and migrations need sessions'
            )
        if self.password_file is not None and self.password_command:
            raise ValueError("password_file and password_command are both set; choose one")
        return self


class Process(Section):
    """``[process]``: the worker processes.

    Attributes:
        workers: number of worker processes.
        drain_timeout: seconds that a worker process may take to stop.
        hang_timeout: seconds after which a worker process that does not react is replaced.
    """

    workers: int = Field(default=1, ge=1, le=64)
    drain_timeout: int = Field(default=10, ge=4)
    hang_timeout: int = Field(default=30, ge=5)


class RetentionTable(Section):
    """``[[engine.retention]]``: how long finished workflow executions of a tenant or a kind are kept.

    The first table that matches a workflow execution counts; ``retain_finished`` is for those that none matches.

    Attributes:
        tenant_id: the tenant; without this key, every tenant.
        kind: the workflow kind; without this key, every kind.
        seconds: seconds after which they are deleted with their histories; without this key, they are kept.
    """

    tenant_id: UUID | None = None
    kind: StoredText | None = None
    seconds: float | None = Field(default=None, gt=0)


class EngineSettings(Section):
    """``[engine]``: leases, retention and limits of workflow executions, task executions and agents.

    Attributes:
        poll_hold_ms: milliseconds for which a poll without work is held; some workers block on a poll.
        activation_lease: seconds after which the claim of a workflow execution ends without a submission.
        worker_silence: seconds without a heartbeat or another call after which a worker counts as gone and its claims
            of workflow executions and agents end.
        task_lease: seconds after which a running task is tried again. They count from its claim or its last heartbeat,
            progress report, log line, state call or stream chunk. The ``timeout_seconds`` of a task's kind replaces it.
        agent_silence: seconds after which the claim of an agent ends whose worker is alive, but makes no call about it.
        agent_depth: greatest depth of nested child agents.
        agent_children: open child agents of one agent at most.
        retry_unreachable: true makes an agent pending again whose worker reports that it could not reach the server; at
            most three times in a row.
        retain_finished: seconds after which finished workflow executions are deleted with their histories, and finished
            agents with their conversations. Without this key, none is deleted.
        max_history_bytes: size of the history of a workflow execution; an execution that would exceed it fails with the
            reason. Without this key, a large history only leaves a warning in the log.
        keep_answers: seconds for which the answers of calls with an idempotency key, and of deletions, are stored.
        streams: streams that are open at most in a worker process.
        streams_per_tenant: of these, streams of one tenant.
    """

    poll_hold_ms: int = Field(default=50, ge=0)
    activation_lease: float = Field(default=300.0, ge=1)
    worker_silence: float = Field(default=60.0, ge=1)
    task_lease: float = Field(default=300.0, ge=1, validation_alias=AliasChoices("task_lease", "task_silence"))
    agent_silence: float = Field(default=1800.0, ge=1)
    agent_depth: int = Field(default=10, ge=0, le=1000)
    agent_children: int = Field(default=100, ge=0, le=100_000)
    retry_unreachable: bool = True
    retain_finished: float | None = Field(default=None, gt=0)
    retention: Annotated[tuple[RetentionTable, ...], Field(max_length=1000)] = ()
    max_history_bytes: int | None = Field(default=None, ge=65536)
    keep_answers: float = Field(default=86400.0, ge=60, le=30 * 86400)
    streams: int = Field(default=1000, ge=0)
    streams_per_tenant: int = Field(default=200, ge=0)


class Settings(BaseSettings):
    """The whole configuration. ``server.config.load`` reads it and reports its problems.

    Attributes:
        database_url: address of the database, PostgreSQL 15 to 18: ``postgres://user:password@host:port/database``.
        bind_host: address to listen on.
        server_port: port of REST; 0 chooses a free one.
        grpc_server_port: port of gRPC; 0 chooses a free one.
        base_path: path below which a reverse proxy serves this server, such as ``/flovyn``; the header
            ``X-Forwarded-Prefix`` of the proxy wins.
        auto_migrate: true applies pending migrations at the start; false refuses to start and lists them.
    """

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, env_nested_delimiter="__", hide_input_in_errors=True, case_sensitive=False
    )

    database_url: Annotated[SecretStr, Field(examples=["postgres://user:password@host:5432/flovyn"])]
    bind_host: str = "0.0.0.0"  # noqa: S104 - a server in a container must listen on all of its addresses
    server_port: Port = 8000
    grpc_server_port: Port = 9090
    base_path: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$", examples=["/flovyn"])] | None = (
        None
    )
    auto_migrate: bool = True
    tenants: tuple[TenantEntry, ...] = Field(default=(), validation_alias=AliasChoices("tenants", "orgs"))
    auth: Auth = Auth()
    log: Log = Log()
    metrics: MetricsSettings = MetricsSettings()
    database: DatabasePool = DatabasePool()
    process: Process = Process()
    engine: EngineSettings = EngineSettings()
    limits: Limits = Limits()
    sessions: SessionSettings = SessionSettings()

    @model_validator(mode="after")
    def _distinct(self) -> Settings:
        if self.server_port == self.grpc_server_port != 0:
            raise ValueError(f"server_port and grpc_server_port are both {self.server_port}; choose two ports")
        if self.metrics.port in (self.server_port, self.grpc_server_port):
            raise ValueError(f"metrics.port is {self.metrics.port}, which another setting names; choose another port")
        for name in ("id", "slug"):
            values = [getattr(each, name) for each in self.tenants]
            if len(set(values)) < len(values):
                raise ValueError(f"two tenants have the same {name}")
        return self

    @model_validator(mode="after")
    def _consistent_times(self) -> Settings:
        problems = list(contradictions(self))
        if problems:
            raise ValueError("; ".join(problems))
        return self
