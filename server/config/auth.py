"""``[auth]``: authentication and authorization of calls. Key names are those of existing deployments."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, SecretStr, model_validator

from core.auth import PrincipalType, Role
from core.errors import ConfigError
from core.settings import at_least
from server.config.path_rules import compiled

ACCEPTED_AUTH_TABLES = ("jwt", "worker_token", "session", "cedar", "attr_resolver")
"""Tables below ``[auth]`` that belong to plugins or to other programs, which read them."""


class Section(BaseModel):
    """Base of every section. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class StaticApiKey(Section):
    """``[[auth.static_api_key.keys]]``: a key fixed in the configuration, and the principal that it stands for.

    Attributes:
        key: the bearer token, of at least 16 characters; ``openssl rand -base64 24`` makes one.
        tenant_id: the tenant that the key belongs to; the key of an operator or a scraper has none.
        principal_type: type of the principal.
        principal_id: id of the principal.
        role: role of the principal; ``OPERATOR`` administers tenants, ``SCRAPER`` reads the metrics and nothing else.
    """

    key: Annotated[SecretStr, at_least(16)]
    tenant_id: UUID | None = Field(default=None, validation_alias=AliasChoices("tenant_id", "org_id"))
    principal_type: PrincipalType = PrincipalType.USER
    principal_id: str = Field(default="api", min_length=1)
    role: Role | None = None

    @model_validator(mode="after")
    def _tenant_or_operator(self) -> StaticApiKey:
        if (self.role in (Role.OPERATOR, Role.SCRAPER)) == (self.tenant_id is not None):
            raise ValueError(
                "a key belongs to a tenant (tenant_id), or is an operator's (role = 'OPERATOR', no tenant_id) or a "
                "scraper's (role = 'SCRAPER', no tenant_id)"
            )
        return self


class StaticApiKeys(Section):
    """``[auth.static_api_key]``: keys fixed in the configuration.

    Attributes:
        max_failures: calls with unknown credentials that one address may make at once before further ones are answered
            as too many; 0 sets no limit. Valid credentials are always admitted.
        failures_per_minute: calls with unknown credentials that one address may make in a minute after that.
    """

    keys: tuple[StaticApiKey, ...] = ()
    max_failures: int = Field(default=100, ge=0, le=1_000_000)
    failures_per_minute: int = Field(default=60, ge=1, le=1_000_000)


def _pattern(path: str) -> str:
    try:
        compiled(path)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return path


class PathRule(Section):
    """Other checks for some paths. The first rule that matches counts; a key without a value is as for the endpoint.

    Attributes:
        path: a pattern in which ``*`` matches one segment and ``**`` any number; over gRPC ``/package.Service/Method``.
        authenticators: names, as for the endpoint.
        authorizer: a name, as for the endpoint.
    """

    path: Annotated[str, AfterValidator(_pattern), Field(examples=["/api/v1/tenants/*/schedules/**"])]
    authenticators: tuple[str, ...] | None = None
    authorizer: str | None = None


class Endpoint(Section):
    """Authentication and authorization of the calls of one protocol.

    Attributes:
        authenticators: names, asked in this order. Without this key: static keys and each authenticator of the
            edition's plugins that is configured. An empty list switches authentication off.
        authorizer: ``tenant_scope``, ``roles`` (also called ``cedar``), ``noop`` (also called ``none``) or a plugin's.
        exclude_paths: paths that need no credentials; a trailing ``*`` matches every path with that beginning.
    """

    authenticators: tuple[str, ...] | None = None
    authorizer: str = "tenant_scope"
    rules: tuple[PathRule, ...] = ()
    exclude_paths: tuple[Annotated[str, Field(pattern=r"^/[^*]*\*?$")], ...] = ()


class Endpoints(Section):
    """``[auth.endpoints]``.

    Attributes:
        public: accepted because files of other servers have it; not read.
    """

    http: Endpoint = Endpoint()
    grpc: Endpoint = Endpoint()
    public: dict[str, Any] = {}


class Auth(Section):
    """``[auth]``: authentication and authorization of calls.

    Attributes:
        enabled: false has the effect of empty lists of authenticators everywhere.
    """

    enabled: bool = True
    static_api_key: StaticApiKeys = StaticApiKeys()
    endpoints: Endpoints = Endpoints()

    @model_validator(mode="before")
    @classmethod
    def _without_tables_of_plugins(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if key not in ACCEPTED_AUTH_TABLES}
        return data
