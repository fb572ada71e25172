"""Reads the configuration from the file and the environment, and reports all problems in one error.

A problem names the key, the environment variable that sets it, and the nearest known key.
Values never appear, because each may be a secret.
"""

from __future__ import annotations

import difflib
import logging
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsError,
)

from core.errors import ConfigError
from server.config.settings import Settings

FILE_VARIABLE = "CONFIG_FILE"
OLD_PREFIX = "FLOVYN_"
"""Older beginning of the variables of tables: FLOVYN_AUTH__ENABLED."""
OLD_SWITCH = "FLOVYN_SECURITY_ENABLED"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sources:
    """The parsed file and the environment, which the sections of plugins are read from as well."""

    file: Mapping[str, Any]
    environ: Mapping[str, str]


def read_sources(environ: Mapping[str, str]) -> Sources:
    """Read the environment, and the TOML file if ``CONFIG_FILE`` names one.

    Raises:
        ConfigError: the file cannot be read or is not TOML.
    """
    name = environ.get(FILE_VARIABLE)
    if not name:
        return Sources({}, _with_old_names(environ))
    try:
        return Sources(tomllib.loads(Path(name).read_text("utf-8")), _with_old_names(environ))
    except OSError as error:
        raise ConfigError(
            f"the configuration file {name!r} cannot be read: {error.strerror} (named by {FILE_VARIABLE})"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the configuration file {name!r} is not valid TOML: {error}") from None


def load(sources: Sources) -> Settings:
    """Validate the configuration.

    Raises:
        ConfigError: the configuration has problems; the text lists all of them.
    """
    problems = list(_unknown_top_level(sources.file))
    settings: Settings | None = None
    try:
        settings = _bound_to(sources)()  # type: ignore[call-arg]  # the sources fill it
    except ValidationError as error:
        problems += [_describe(Settings, "", detail) for detail in error.errors(include_url=False)]
    except SettingsError as error:
        problems.append(f"environment: {error}: write lists and tables as JSON")
    if problems or settings is None:
        raise ConfigError(_report(problems))
    return settings


def validate_section(model: type[BaseModel], place: str, values: Mapping[str, Any]) -> BaseModel:
    """Validate a plugin's section with its model; ``place`` is its key, such as ``plugins.audit_log``.

    Raises:
        ConfigError: the section has problems; the text lists all of them.
    """
    known = keys(model)
    problems = [f"{place}.{key}: there is no such setting{_nearest(key, known)}" for key in values if key not in known]
    try:
        section = model.model_validate(values)
    except ValidationError as error:
        problems += [_describe(model, place, detail) for detail in error.errors(include_url=False)]
    if problems:
        raise ConfigError(_report(problems))
    return section


def _bound_to(sources: Sources) -> type[Settings]:
    class Environment(EnvSettingsSource):
        def _load_env_vars(self) -> Mapping[str, str | None]:
            return {key.lower(): value for key, value in sources.environ.items() if not _is_foreign(key.lower(), value)}

    class Bound(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - these sources are not used
            env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return Environment(settings_cls), InitSettingsSource(settings_cls, dict(sources.file))

    return Bound


def _is_foreign(name: str, value: str) -> bool:
    """Return whether a variable with the name of a table, such as LOG=debug, is of another program: it is no JSON."""
    field = Settings.model_fields.get(name)
    is_table = field is not None and isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    return is_table and not value.lstrip().startswith("{")


def _with_old_names(environ: Mapping[str, str]) -> Mapping[str, str]:
    environ = {key: value for key, value in environ.items() if value}  # an empty variable counts as not set
    renamed = {
        key.removeprefix(OLD_PREFIX): value
        for key, value in environ.items()
        if key.startswith(OLD_PREFIX) and "__" in key
    }
    if OLD_SWITCH in environ:
        renamed["AUTH__ENABLED"] = environ[OLD_SWITCH]
    return renamed | environ


def _unknown_top_level(file: Mapping[str, Any]) -> Iterator[str]:
    """Yield unknown scalar keys as problems. An unknown table may be of another program, and is only logged."""
    known = {*keys(Settings), "plugins"}
    for key, value in file.items():
        if key in known:
            continue
        if isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
            _log.warning(
                "the configuration table [%s] is not known to this server and is ignored%s", key, _nearest(key, known)
            )
        else:
            yield f"{key}: there is no such setting{_nearest(key, known)}"


def keys(model: type[BaseModel]) -> set[str]:
    """Return the names of a table's keys, older names included."""
    names = set(model.model_fields)
    for field in model.model_fields.values():
        if isinstance(field.validation_alias, AliasChoices):
            names |= {choice for choice in field.validation_alias.choices if isinstance(choice, str)}
    return names


def _nearest(key: str, known: set[str]) -> str:
    near = difflib.get_close_matches(key, sorted(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _describe(model: type[BaseModel], place: str, detail: ErrorDetails) -> str:
    path = [place] if place else []
    for part in detail["loc"]:
        if isinstance(part, int):
            path[-1] += f"[{part}]"
        else:
            path.append(part)
    key = ".".join(path)
    variable = key.split("[")[0].replace(".", "__").upper()  # a list is set as a whole
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        message = "there is no such setting" + _nearest(str(detail["loc"][-1]), _siblings(model, detail["loc"]))
    elif detail["type"] == "missing":
        message = "is required"
    if not key:
        return message  # it is about several keys, and names them
    return f"{key}: {message} (environment: {variable})"


def _siblings(model: type[BaseModel], loc: tuple[int | str, ...]) -> set[str]:
    """Return the known keys of the table in which the unknown last part of ``loc`` was written."""
    for part in loc[:-1]:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())] if field else []
        inner = next((each for each in candidates if isinstance(each, type) and issubclass(each, BaseModel)), None)
        if inner is None:
            return set()
        model = inner
    return keys(model)


def _report(problems: list[str]) -> str:
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return f"the configuration has {count}:\n" + "\n".join(f"  {problem}" for problem in problems)
