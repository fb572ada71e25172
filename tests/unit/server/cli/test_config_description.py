"""``config example`` and ``config schema`` print a complete and true description, which the server accepts."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import jsonschema
import pytest
from pydantic import BaseModel

from core.auth import Role
from core.build_info import BuildInfo, PluginInfo
from core.errors import ConfigError
from plugins.hello_world.config import HelloWorldConfig
from plugins.hello_world.plugin import HelloWorldPlugin
from server.boot.edition import Edition
from server.boot.preparation import make_plugins
from server.cli import run
from server.config import Settings, load
from server.config.auth import StaticApiKey
from server.config.describe import description_of, json_schema
from server.config.example import example
from server.config.load import Sources, validate_section
from server.config.settings import RetentionTable

EDITION = Edition(
    BuildInfo("test", "1.2.3", "3.11", "", (PluginInfo(HelloWorldPlugin.name, HelloWorldPlugin.version),)),
    lambda: [HelloWorldPlugin()],
)
SECTIONS = make_plugins(EDITION).sections()
TENANT = "11111111-1111-4111-8111-111111111111"
NEEDED = {"key": '"0123456789abcdef"', "tenant_id": f'"{TENANT}"'}


def models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for each in (field.annotation, *get_args(field.annotation)):
            if isinstance(each, type) and issubclass(each, BaseModel):
                yield from models(each)


def filled_in() -> str:
    """The example with every line in force that has a value, and the values that a key of a tenant needs."""
    text = example("t", SECTIONS)
    for name, value in NEEDED.items():
        text = re.sub(rf"^#{name} =$", f"{name} = {value}", text, flags=re.MULTILINE)
    return re.sub(r"^#(?=\S)(?!\w+ =$)", "", text, flags=re.MULTILINE)


MODELS: list[type[BaseModel]] = sorted({*models(Settings), HelloWorldConfig}, key=str)


@pytest.mark.parametrize("model", MODELS)
def test_every_key_has_a_meaning(model: type[BaseModel]) -> None:
    """A key that no docstring explains, or an explanation of a key that is gone, is found here."""
    scalars = {
        name
        for name, field in model.model_fields.items()
        if not any(
            isinstance(each, type) and issubclass(each, BaseModel)
            for each in (field.annotation, *get_args(field.annotation))
        )
    }
    assert set(description_of(model)[1]) == scalars


def test_the_example_as_printed_changes_nothing() -> None:
    """Without its database, the printed file is refused for just that; with it, it says what the server does anyway."""
    file = tomllib.loads(example("t", SECTIONS))
    with pytest.raises(ConfigError, match=r"(?s)1 problem.*database_url: is required"):
        load(Sources(file, {}))
    environ = {"DATABASE_URL": "postgres://db/flovyn"}
    assert load(Sources(file, environ)).model_dump() == load(Sources({}, environ)).model_dump()


def test_the_example_in_force_is_accepted() -> None:
    """Every line that has a value can be put in force as it stands: names, types and places are right."""
    file = tomllib.loads(filled_in())
    settings = load(Sources(file, {}))
    assert settings.tenants[0].slug == "acme"
    assert settings.auth.static_api_key.keys[0].role is None
    section = validate_section(HelloWorldConfig, "plugins.hello_world", file["plugins"]["hello_world"])
    assert section == HelloWorldConfig()


def test_the_example_lists_every_key() -> None:
    """Each key of each table stands below its heading, and nothing else does."""
    tables = re.split(r"^#?\[+([a-z_.]+)\]+$", "#[top]\n" + example("t", SECTIONS), flags=re.MULTILINE)[1:]
    listed = {
        place: set(re.findall(r"^#(\w+) =", body, re.MULTILINE))
        for place, body in zip(*[iter(tables)] * 2, strict=True)
    }
    assert listed["auth.static_api_key.keys"] == set(StaticApiKey.model_fields)
    assert listed["plugins.hello_world"] == set(HelloWorldConfig.model_fields)
    top = {"database_url", "bind_host", "server_port", "grpc_server_port", "base_path", "auto_migrate"}
    assert listed["top"] == top
    assert listed["engine.retention"] == set(RetentionTable.model_fields)
    for name in ("log", "database", "process", "engine"):
        keys = set(type(getattr(load(Sources({}, {"DATABASE_URL": "x"})), name)).model_fields)
        assert listed[name] == {key for key in keys if f"{name}.{key}" not in listed}


def test_the_schema_accepts_what_the_server_accepts() -> None:
    """The whole example is valid, as are tables of other programs and older spellings."""
    schema = json_schema("t", SECTIONS)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(tomllib.loads(filled_in()), schema)
    key = {"key": "0123456789abcdef", "org_id": TENANT, "role": Role.ADMIN.value}
    jsonschema.validate({"nats": {"on": True}, "auth": {"static_api_key": {"keys": [key]}, "cedar": {"a": 1}}}, schema)
    jsonschema.validate({"plugins": {"absent": {"a": 1}}}, schema)


@pytest.mark.parametrize(
    "file",
    [
        {"server_prot": 1},
        {"server_port": 70000},
        {"engine": {"stream": 1}},
        {"tenants": [{"slug": "a"}]},
        {"plugins": {"hello_world": {"keep_dais": 1}}},
        {"plugins": {"hello_world": {"keep_days": 0}}},
    ],
)
def test_the_schema_refuses_what_the_server_refuses(file: dict[str, object]) -> None:
    """Unknown keys, values out of range and missing keys, in a plugin's table as well."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(file, json_schema("t", SECTIONS))


def test_a_check_reports_every_problem_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Problems of the server's and of a plugin's settings come together, with key and variable."""
    file = tmp_path / "server.toml"
    file.write_text('server_port = "hunter2"\n[plugins.hello_world]\nvisitor_key = "hunter2"\nkeep_days = 0\n')
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert run(EDITION, ["config", "check", str(file)]) == 1
    said = capsys.readouterr().err
    for expected in (
        "server_port: ",
        "(environment: SERVER_PORT)",
        "database_url: is required",
        "plugins.hello_world.visitor_key: must have at least 16 characters (environment: PLUGINS__HELLO_WORLD__VISITOR_KEY)",
        "plugins.hello_world.keep_days: ",
    ):
        assert expected in said
    assert "hunter2" not in said


def test_a_check_says_in_one_line_that_all_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file that was given is read instead of the one that CONFIG_FILE names."""
    file = tmp_path / "server.toml"
    file.write_text('database_url = "postgres://u:hunter2@nowhere/db"\n')
    monkeypatch.setenv("CONFIG_FILE", "/nowhere.toml")
    assert run(EDITION, ["config", "check", str(file)]) == 0
    said = capsys.readouterr()
    assert said.out == f"ok: {file} and the environment configure edition test\n"
    assert said.err == ""


def test_names_that_the_edition_lacks_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An authenticator of a plugin that is not in the edition is no warning."""
    file = tmp_path / "server.toml"
    file.write_text('database_url = "postgres://x"\n[auth.endpoints.http]\nauthenticators = ["absent"]\n')
    assert run(EDITION, ["config", "check", str(file)]) == 1
    assert "this edition has no authenticator 'absent'" in capsys.readouterr().err


def test_the_openapi_document_needs_no_configuration(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has the server's routes and the plugin's, whatever the environment says."""
    monkeypatch.setenv("DATABASE_URL", "nonsense")
    assert run(EDITION, ["openapi"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["info"]["version"] == "1.2.3"
    assert "/api/v1/p/hello-world/greetings" in document["paths"]
    assert any(path.startswith("/api/v1/tenants/") for path in document["paths"])
