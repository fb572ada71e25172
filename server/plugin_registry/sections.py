"""The plugins' sections of the configuration: where their values come from, strongest last."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, SecretStr

from core.errors import ConfigError, one_line
from core.migration import sql_name
from core.settings import ConfigSection
from core.settings_model import raising_field
from server.config.load import Sources, validate_section

_log = logging.getLogger(__name__)


def validated(name: str, section: ConfigSection, sources: Sources) -> BaseModel:
    """Merge a plugin's settings, weakest first: older tables, own table, older variables, own variables.

    Raises:
        ConfigError: lists every problem of the section.
    """
    own = sql_name(name)
    values: dict[str, Any] = {}
    for place in (*section.also_read, f"plugins.{own}"):
        values |= _table(sources.file, place)
    values |= {
        key: sources.environ[variable] for variable, key in section.environment.items() if variable in sources.environ
    }
    for place in (*section.also_read, f"plugins.{own}"):
        values |= _variables(sources.environ, place, section.model)
    try:
        return validate_section(section.model, f"plugins.{own}", values)
    except ConfigError:
        raise
    except Exception as error:  # a validator of the plugin's raised something else than ValueError
        field = raising_field(section.model, values)
        place = f"plugins.{own}.{field}" if field else f"plugins.{own}"
        raise ConfigError(f"plugin {name!r}: {place}: its validator failed: {one_line(error)}") from error


def warn_of_absent(sources: Sources, present: set[str]) -> None:
    """Say which sections belong to no plugin of this edition."""
    for name in sorted(set(_table(sources.file, "plugins")) - present):
        _log.warning("the configuration has [plugins.%s], but this edition has no such plugin; it is ignored", name)


def _variables(environ: Mapping[str, str], place: str, model: type[BaseModel]) -> dict[str, Any]:
    """Return the keys that variables such as PLUGINS__AUDIT_LOG__MODE set in a table."""
    prefix = place.replace(".", "__").upper() + "__"
    found = {
        name.upper().removeprefix(prefix).lower(): value
        for name, value in environ.items()
        if name.upper().startswith(prefix)
    }
    return {key: _decoded(model, key, value) for key, value in found.items()}


def _decoded(model: type[BaseModel], key: str, value: str) -> Any:
    """Return the value of a variable: lists and tables are written as JSON, a text is taken as it stands."""
    field = model.model_fields.get(key)
    if field is None or field.annotation in {str, SecretStr} or value[:1] not in {"[", "{"}:
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value  # the model says what it wants


def _table(file: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    table: Any = file
    for part in place.split("."):
        table = table.get(part, {}) if isinstance(table, Mapping) else {}
    if not isinstance(table, Mapping):
        raise ConfigError(f"{place}: write a table")
    return table
