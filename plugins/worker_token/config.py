"""``[plugins.worker_token]``."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from core.settings import at_least
from plugins.worker_token.domain import TOKEN_PREFIX

MIN_SECRET = 32
"""Characters: what ``openssl rand -base64 24`` gives."""
MAX_PREVIOUS = 8
"""Every secret costs each look-up an HMAC."""

Secret = Annotated[SecretStr, at_least(MIN_SECRET)]


class WorkerTokenConfig(BaseModel):
    """Settings of the plugin.

    Attributes:
        secret: keys the HMAC under which tokens are stored.
        previous_secrets: further secrets whose tokens are admitted, and stored under ``secret`` at their next use.
        prefix: begins every token. Tokens that begin otherwise are not recognized: change it before the first is made.
        cache_seconds: how long an unused token stays in the cache; 0 asks the database at every check.
        max_failures: how many failed checks one address may make at once; 0 sets no limit.
        failures_per_minute: how many of them it gets back in a minute.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    secret: Secret | None = None
    previous_secrets: Annotated[tuple[Secret, ...], Field(max_length=MAX_PREVIOUS)] = ()
    prefix: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,7}_$")] = TOKEN_PREFIX
    cache_seconds: float = Field(default=5, ge=0, le=60)
    max_failures: int = Field(default=100, ge=0, le=1_000_000)
    failures_per_minute: int = Field(default=60, ge=1, le=1_000_000)

    @field_validator("previous_secrets")
    @classmethod
    def _all_different(cls, previous: tuple[SecretStr, ...], info: ValidationInfo) -> tuple[SecretStr, ...]:
        secret: SecretStr | None = info.data.get("secret")
        values = [each.get_secret_value() for each in (*((secret,) if secret else ()), *previous)]
        if len(set(values)) < len(values):
            raise ValueError("must differ from secret and from one another")
        if previous and "secret" in info.data and secret is None:
            raise ValueError("are of no use without secret, which new tokens are stored under")
        return previous

    def keys(self) -> tuple[bytes, ...]:
        """Return the secrets, the newest first; none when none is configured."""
        given = () if self.secret is None else (self.secret, *self.previous_secrets)
        return tuple(each.get_secret_value().encode() for each in given)
