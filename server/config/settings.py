"""Every setting of the server, with its default. The environment wins over the file."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.domain.tenant import check_slug
from core.errors import InvalidInput
from server.config.auth import Auth, Section

Port = Annotated[int, Field(ge=0, le=65535)]


StoredText = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]


def _valid_slug(slug: str) -> str:
    try:
        return check_slug(slug)
    except InvalidInput as error:
        raise ValueError(str(error)) from None


class TenantEntry(Section):
    """``[[tenants]]`` (or ``[[orgs]]``): a tenant that exists from the start on."""

    id: UUID
    slug: Annotated[str, AfterValidator(_valid_slug)]
    name: StoredText
    tier: StoredText = "FREE"
    region: StoredText | None = None


class Log(Section):
    """``[log]``; the format ``auto`` is text on a terminal and JSON otherwise."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "text", "json"] = "auto"


class DatabasePool(Section):
    """``[database]``: one pool per worker process; times in seconds."""

    pool_size: int = Field(default=10, ge=2, le=200)
    connect_timeout: float = Field(default=5.0, gt=0)
    statement_timeout: float = Field(default=30.0, gt=0)


class Process(Section):
    """``[process]``: the worker processes; times in seconds."""

    workers: int = Field(default=1, ge=1, le=64)
    drain_timeout: int = Field(default=10, ge=4)
    hang_timeout: int = Field(default=30, ge=5)


class Engine(Section):
    """``[engine]``.

    An empty poll is held for ``poll_hold_ms`` milliseconds, because some workers block on it. A run whose worker does
    not report within ``activation_lease`` seconds is handed to another; so is one whose worker shows no life for
    ``worker_silence`` seconds. A task of such a worker is taken back when it was silent for ``task_silence`` seconds.
    Runs that ended more than ``retain_finished`` seconds ago are deleted; without it, none is.
    A run whose history would outgrow ``max_history_bytes`` fails with the reason; without it, it is only warned of.
    At most ``streams`` streams are open in a worker process, and ``streams_per_tenant`` of one tenant.
    """

    poll_hold_ms: int = Field(default=50, ge=0)
    activation_lease: float = Field(default=300.0, ge=1)
    worker_silence: float = Field(default=60.0, ge=1)
    task_silence: float = Field(default=300.0, ge=1)
    retain_finished: float | None = Field(default=None, gt=0)
    max_history_bytes: int | None = Field(default=None, ge=65536)
    streams: int = Field(default=1000, ge=0)
    streams_per_tenant: int = Field(default=200, ge=0)


class Settings(BaseSettings):
    """The whole configuration. ``server.config.load`` reads it and words its problems."""

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, env_nested_delimiter="__", hide_input_in_errors=True, case_sensitive=False
    )

    database_url: SecretStr = Field(description="postgres://user:password@host:port/database")
    bind_host: str = "0.0.0.0"  # noqa: S104 - a server in a container must listen on all of its addresses
    server_port: Port = 8000
    grpc_server_port: Port = 9090
    auto_migrate: bool = True
    tenants: tuple[TenantEntry, ...] = Field(default=(), validation_alias=AliasChoices("tenants", "orgs"))
    auth: Auth = Auth()
    log: Log = Log()
    database: DatabasePool = DatabasePool()
    process: Process = Process()
    engine: Engine = Engine()

    @model_validator(mode="after")
    def _apart(self) -> Settings:
        if self.server_port == self.grpc_server_port != 0:
            raise ValueError(f"server_port and grpc_server_port are both {self.server_port}; choose two ports")
        for name in ("id", "slug"):
            values = [getattr(each, name) for each in self.tenants]
            if len(set(values)) < len(values):
                raise ValueError(f"two tenants have one {name}")
        return self
