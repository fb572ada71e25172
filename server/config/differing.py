"""The settings that differ from their defaults, without secrets, for the log of a start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from server.config.settings import Settings

_ELSEWHERE = {"database_url"}
"""Settings that are told in another form."""


def differing(settings: Settings) -> dict[str, object]:
    """Return the settings that differ from their defaults by key; of a list of tables, only its length."""
    return dict(_differing(settings, ""))


def database_of(settings: Settings) -> str:
    """Return where the database is: host, port and name, without credentials and parameters."""
    parts = urlsplit(settings.database_url.get_secret_value())
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:  # several hosts
        port = ""
    return f"{parts.hostname or 'local socket'}{port}/{parts.path.lstrip('/')}"


def _differing(model: BaseModel, table: str) -> Iterator[tuple[str, object]]:
    for key, field in type(model).model_fields.items():
        value: Any = getattr(model, key)
        place = f"{table}.{key}".lstrip(".")
        if isinstance(value, BaseModel):
            yield from _differing(value, place)
        elif place not in _ELSEWHERE and value != field.get_default(call_default_factory=True):
            yield place, _shown(value)


def _shown(value: Any) -> object:
    if isinstance(value, SecretStr):
        return "set"
    if isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        return f"{len(value)} entries"
    return value if isinstance(value, bool | int | float | str) else str(value)
