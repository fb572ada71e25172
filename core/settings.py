"""A plugin's own section of the configuration, typed by a pydantic model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import AfterValidator, BaseModel, SecretStr


def at_least(characters: int) -> AfterValidator:
    """Return the check of a secret's length, to annotate a ``SecretStr`` with; its message never shows the secret."""

    def check(secret: SecretStr) -> SecretStr:
        if len(secret.get_secret_value()) < characters:
            raise ValueError(f"must have at least {characters} characters")
        return secret

    return AfterValidator(check)


@dataclass(frozen=True, slots=True)
class ConfigSection:
    """Where a plugin's settings come from.

    They are read from ``[plugins.<name_with_underscores>]`` and ``PLUGINS__<NAME>__<KEY>``;
    unknown keys are refused with the nearest spelling.

    Attributes:
        model: pydantic model of the section; secrets are ``SecretStr`` fields.
        also_read: older tables to read as well, such as ``auth.worker_token``; the own section wins.
        environment: older environment variables and the key that each sets; these win over files.
    """

    model: type[BaseModel]
    also_read: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
