"""Models of plugins' settings that cannot be read or shown: one line with the plugin and the field, never a traceback."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import jsonschema
import pytest
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    SecretStr,
    create_model,
    field_validator,
    model_validator,
)

from core.build_info import BuildInfo, PluginInfo
from core.errors import ConfigError, PluginError
from core.plugin import Plugin
from core.settings import ConfigSection
from core.settings_model import fault
from editions.tools.describe_plugin import services
from server.boot.edition import Edition
from server.boot.preparation import load_plugins
from server.cli import run
from server.config.load import Sources

COMMANDS = (["config", "check"], ["config", "example"], ["config", "schema"])


def _raise(*_arguments: Any) -> Any:
    raise ZeroDivisionError("first line\nsecond line")


def _check(_value: object) -> object:
    return _raise()


class _Odd:
    """A type that pydantic does not know."""


class _WithoutText:
    def __str__(self) -> str:
        raise ZeroDivisionError("no text")

    __repr__ = __str__


class _NoSchema:
    """A type that pydantic validates, whose JSON schema cannot be made."""

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: object, _handler: object) -> dict[str, Any]:
        return dict(_raise())

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, handler: Callable[[type], Any]) -> Any:
        return handler(int)


class Tree(BaseModel):
    """A table that contains itself."""

    name: str = ""
    below: list[Tree] = []


class Holder(BaseModel):
    tree: Tree = Tree()


class Bad(BaseModel):
    value: NotThere = 3  # type: ignore[name-defined]  # noqa: F821


class Nested(BaseModel):
    inner: Bad


class Listing(RootModel[list[int]]):
    """No table."""


class Documented(BaseModel):
    value: int = 1


Documented.__doc__ = 5  # type: ignore[assignment]


def _model(annotation: Any, default: Any = 3, *, late: bool = False) -> type[BaseModel]:
    settings = ConfigDict(arbitrary_types_allowed=True, defer_build=late)
    return create_model("Settings", __config__=settings, value=(annotation, default))


def _described(text: Any) -> Any:
    return Field(3, description=text)


REFUSED: dict[str, tuple[type[BaseModel], str]] = {
    "an annotation that names nothing": (Bad, "value"),
    "one in a table below": (Nested, "inner.value"),
    "a type without a schema": (_model(_Odd, _Odd()), "value"),
    "a function": (_model(Callable[[], int], _raise), "value"),
    "a schema that raises": (_model(_NoSchema), "value"),
    "a table that contains itself": (Tree, "below"),
    "the same further down": (Holder, "tree.below"),
    "a list in a table's place": (Listing, "Listing"),
    "a docstring that is no text": (Documented, "Documented"),
    "a default that raises": (_model(int, Field(default_factory=_raise)), "value"),
    "a default without a text": (_model(Any, _WithoutText()), "value"),
    "an alias": (_model(int, Field(3, alias="other")), "value"),
    "an explanation that is no text": (_model(int, _described(5)), "value"),
}


class Colour(Enum):
    RED = "red"


class Inner(BaseModel):
    """A table below."""

    n: int = 1


ALLOWED: dict[str, type[BaseModel]] = {
    "no fields": create_model("Settings"),
    "a time": _model(dt.timedelta, dt.timedelta(hours=1)),
    "a moment": _model(dt.datetime, dt.datetime(2024, 1, 1, tzinfo=dt.UTC)),
    "a path": _model(Path, Path("/var/lib")),
    "a set": _model(set[int], {1}),
    "bytes": _model(bytes, b"x"),
    "a secret": _model(SecretStr, SecretStr("hunter2")),
    "infinity": _model(float, float("inf")),
    "a table as a text": _model(dict[str, int | None], {"a b": 1, "c": None}),
    "a made list": _model(list[int], Field(default_factory=lambda: [1, 2])),
    "a made table": _model(Inner, Field(default_factory=Inner)),
    "a made id": _model(UUID, Field(default_factory=uuid4)),
    "one made of the others": _model(int, Field(default_factory=len)),
    "an optional table": _model(Inner | None, None),
    "a list of tables": _model(list[Inner], []),
    "tables by name": _model(dict[str, Inner], {}),
    "one of some": _model(Literal["a", "b"], "a"),
    "a member": _model(Colour, Colour.RED),
    "an older spelling": _model(int, Field(3, validation_alias=AliasChoices("value", "old"))),
    "anything": _model(Any, None),
    "a model that is built late": _model(int, late=True),
    "an explanation of a key that is not there": type(
        "Settings",
        (BaseModel,),
        {"__doc__": "A table.\n\nAttributes:\n    nothing: it is not there.\n", "__module__": __name__},
    ),
}


class RaisingField(BaseModel):
    value: int = 3

    @field_validator("value")
    @classmethod
    def check(cls, _value: int) -> int:
        return int(_raise())


class RaisingModel(BaseModel):
    value: int = 3

    @model_validator(mode="before")
    @classmethod
    def check(cls, _values: Any) -> Any:
        return _raise()


RAISING: dict[str, tuple[type[BaseModel], str]] = {
    "a validator of a field": (RaisingField, "plugins.odd.value"),
    "one beside the annotation": (_model(Annotated[int, BeforeValidator(_check)]), "plugins.odd.value"),
    "a check of it": (_model(Annotated[int, AfterValidator(_check)]), "plugins.odd.value"),
    "a validator of the model": (RaisingModel, "plugins.odd"),
}


def _edition(model: type[BaseModel]) -> Edition:
    members = {"name": "odd", "version": "1", "config": lambda _self: ConfigSection(model)}
    plugin = type("Odd", (Plugin,), members)
    return Edition(BuildInfo("test", "1", "3.11", "", (PluginInfo("odd", "1"),)), lambda: [plugin()])


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what every server needs, and a value of the plugin's one key."""
    monkeypatch.setenv("DATABASE_URL", "postgres://db/flovyn")
    monkeypatch.setenv("PLUGINS__ODD__VALUE", "7")


def _said(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> str:
    """Return the one line on standard error; a log record with an exception would be a traceback there."""
    assert [record for record in caplog.records if record.exc_info] == []
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_that_cannot_be_shown_is_refused_with_its_field(
    name: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """At build, at start and in all three commands: one line that names the plugin and the field."""
    model, field = REFUSED[name]
    edition = _edition(model)
    (plugin,) = edition.plugins()
    with pytest.raises(PluginError, match=rf"the model of the settings: {field}: "):
        services(plugin)  # as the build asks
    with pytest.raises(PluginError, match=rf"plugin 'odd': config failed: the model of the settings: {field}: "):
        load_plugins(edition, Sources({}, {}))
    for command in COMMANDS:
        assert run(edition, command) == 1
        assert f"plugin 'odd': config failed: the model of the settings: {field}: " in _said(capsys, caplog)


@pytest.mark.parametrize("name", ALLOWED)
def test_every_other_model_is_shown(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The example is TOML with its lines in force, the schema is a schema that accepts it, and no secret is shown."""
    model = ALLOWED[name]
    assert fault(model) == ""
    edition = _edition(model)
    assert run(edition, ["config", "example"]) == 0
    example = capsys.readouterr().out
    shown = example[example.index("[plugins.odd]") :].splitlines()
    in_force = [line.removeprefix("#") for line in shown if not line.startswith("# ") and not line.endswith(" =")]
    values = tomllib.loads("\n".join(in_force))
    assert run(edition, ["config", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(values, schema)
    model.model_validate(values["plugins"]["odd"])
    assert "hunter2" not in example
    assert "hunter2" not in json.dumps(schema)


@pytest.mark.parametrize("name", RAISING)
def test_a_validator_that_raises_is_told_in_one_line(
    name: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A start and the check name the plugin and the field; the value, which may be a secret, is not shown."""
    model, place = RAISING[name]
    edition = _edition(model)
    with pytest.raises(
        ConfigError, match=rf"plugin 'odd': {place}: its validator failed: ZeroDivisionError: first line$"
    ):
        load_plugins(edition, Sources({"plugins": {"odd": {"value": 7}}}, {}))
    assert run(edition, ["config", "check"]) == 1
    assert f"plugin 'odd': {place}: its validator failed: ZeroDivisionError: first line" in _said(capsys, caplog)
    for command in COMMANDS[1:]:
        assert run(edition, command) == 0


_LAZY = """
import sys
from pydantic import BaseModel
from core.build_info import BuildInfo, PluginInfo
from core.plugin import ConfigSection, Plugin
from server.boot.edition import Edition
from server.cli import run

class Lazy(BaseModel):
    value: int = 3

    @property
    def doubled(self):
        raise ZeroDivisionError("first line")

class Odd(Plugin):
    name = "odd"
    version = "1"

    def config(self):
        return ConfigSection(Lazy)

    def setup(self, services):
        services.settings.doubled

edition = Edition(BuildInfo("test", "1", "3.11", "", (PluginInfo("odd", "1"),)), lambda: [Odd()])
sys.exit(run(edition, ["config", "check"]))
"""
"""A plugin that asks its settings for a property that raises, in a hook that a start calls."""


def test_a_property_that_raises_is_told_without_a_traceback() -> None:
    """A new process shows what a test's own logging would hide: the log of last resort."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", _LAZY]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=environ)
    assert done.returncode == 1
    assert done.stderr == "error: plugin 'odd': setup failed: ZeroDivisionError: first line\n"


def test_a_hook_that_raises_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The hook that makes the section may fail as well."""
    plugin = type("Odd", (Plugin,), {"name": "odd", "version": "1", "config": _raise})
    edition = Edition(BuildInfo("test", "1", "3.11", "", (PluginInfo("odd", "1"),)), lambda: [plugin()])
    for command in COMMANDS:
        assert run(edition, command) == 1
        assert "plugin 'odd': config failed: ZeroDivisionError: first line" in _said(capsys, caplog)
