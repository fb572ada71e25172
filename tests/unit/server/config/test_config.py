"""Configuration: file and environment, and the wording of problems."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from core.auth import PrincipalType, Role
from core.errors import ConfigError
from server.config import Settings, load
from server.config.load import read_sources

DATABASE = {"DATABASE_URL": "postgres://u:hunter2@db/flovyn"}

# the file that the test harnesses of existing SDKs write
HARNESS = """
[[orgs]]
id = "7b6f6cf4-0f4e-4d4e-8e8a-111111111111"
name = "Test"
slug = "test"
tier = "FREE"

[auth]
enabled = true

[auth.static_api_key]
keys = [
  { key = "flovyn_sk_test_0123456789abcdef", org_id = "7b6f6cf4-0f4e-4d4e-8e8a-111111111111", principal_type = "User", principal_id = "api:test", role = "ADMIN" },
  { key = "flovyn_wk_test_0123456789abcdef", org_id = "7b6f6cf4-0f4e-4d4e-8e8a-111111111111", principal_type = "Worker", principal_id = "worker:test" },
]

[auth.endpoints.http]
authenticators = ["static_api_key"]

[auth.endpoints.grpc]
authenticators = ["static_api_key"]
"""


def _load(environ: dict[str, str], tmp_path: Path, text: str = "") -> Settings:
    file = tmp_path / "config.toml"
    file.write_text(text)
    return load(read_sources({"CONFIG_FILE": str(file), **environ}))


def _problems(environ: dict[str, str], tmp_path: Path, text: str = "") -> str:
    with pytest.raises(ConfigError) as caught:
        _load(environ, tmp_path, text)
    return str(caught.value)


def test_only_the_database_is_required(tmp_path: Path) -> None:
    """Everything else has a default."""
    settings = _load(DATABASE, tmp_path)
    assert (settings.server_port, settings.grpc_server_port, settings.auto_migrate) == (8000, 9090, True)


def test_the_harness_file_is_understood(tmp_path: Path) -> None:
    """Tenants as orgs, keys as an inline array, org_id for tenant_id."""
    settings = _load(DATABASE, tmp_path, HARNESS)
    user, worker = settings.auth.static_api_key.keys
    assert settings.tenants[0].slug == "test"
    assert (user.role, user.tenant_id) == (Role.ADMIN, settings.tenants[0].id)
    assert worker.principal_type is PrincipalType.WORKER


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """Nested keys are written with double underscores, in older spelling with a prefix."""
    environ = {**DATABASE, "SERVER_PORT": "1234", "FLOVYN_AUTH__ENABLED": "false", "ENGINE__POLL_HOLD_MS": "7"}
    settings = _load(environ, tmp_path, "server_port = 1\n[auth]\nenabled = true\n")
    assert (settings.server_port, settings.auth.enabled, settings.engine.poll_hold_ms) == (1234, False, 7)


def test_variables_of_other_programs_are_left_alone(tmp_path: Path) -> None:
    """LOG=debug and the like are common; a table of ours in one variable is JSON."""
    environ = {**DATABASE, "LOG": "debug", "DATABASE": "x", "HOST": "somewhere", "ENGINE": '{"poll_hold_ms": 9}'}
    settings = _load(environ, tmp_path)
    assert (settings.log.level, settings.engine.poll_hold_ms) == ("info", 9)


def test_the_newest_spelling_wins(tmp_path: Path) -> None:
    """A variable without the old prefix beats one with it."""
    environ = {**DATABASE, "AUTH__ENABLED": "true", "FLOVYN_AUTH__ENABLED": "false", "FLOVYN_SECURITY_ENABLED": "false"}
    assert _load(environ, tmp_path).auth.enabled


def test_all_problems_come_together_with_key_and_variable(tmp_path: Path) -> None:
    """One error lists every mistake: missing, wrong, unknown, each with its variable and the nearest spelling."""
    text = 'server_prot = 1\nauto_migrate = "perhaps"\n[process]\nworkrs = 2\n'
    text += '[[tenants]]\nid = "x"\nslug = "a"\nname = "A"\n'
    problems = _problems({"SERVER_PORT": "70000"}, tmp_path, text)
    for expected in (
        "the configuration has 6 problems",
        "database_url: is required (environment: DATABASE_URL)",
        "server_prot: there is no such setting; did you mean 'server_port'?",
        "server_port: Input should be less than or equal to 65535 (environment: SERVER_PORT)",
        "auto_migrate:",
        "process.workrs: there is no such setting; did you mean 'workers'?",
        "tenants[0].id:",
    ):
        assert expected in problems


@pytest.mark.parametrize(
    ("shorter", "longer"),
    [
        ("engine.worker_silence", "engine.activation_lease"),
        ("database.statement_timeout", "engine.activation_lease"),
        ("database.statement_timeout", "engine.task_lease"),
        ("database.statement_timeout", "engine.worker_silence"),
        ("database.connect_timeout", "engine.worker_silence"),
    ],
)
def test_times_that_contradict_each_other_are_refused_with_both_keys(tmp_path: Path, shorter: str, longer: str) -> None:
    """From the file and the environment; equal times, and one that meets a default, are taken."""

    def environ(first: float, second: float) -> dict[str, str]:
        given = {shorter: first, longer: second}
        return DATABASE | {key.replace(".", "__").upper(): str(value) for key, value in given.items()}

    problems = _problems(environ(7, 6), tmp_path)
    assert f"  {shorter} (7 s) must not be longer than {longer} (6 s): " in problems
    _load(environ(6, 6), tmp_path)
    _load(DATABASE | {longer.replace(".", "__").upper(): "1"}, tmp_path)


def test_values_never_appear_in_problems_or_repr(tmp_path: Path) -> None:
    """Any value may be a secret."""
    text = '[auth.static_api_key]\nkeys = [{ key = "hunter2hunter2hunter2", role = "BOSS", extra = "hunter2" }]\n'
    assert "hunter2" not in _problems({**DATABASE, "GRPC_SERVER_PORT": "hunter2"}, tmp_path, text)
    assert "hunter2" not in repr(_load(DATABASE, tmp_path))


def test_unknown_tables_are_other_programs_and_only_warn(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Files written for other servers of the protocol are accepted."""
    with caplog.at_level(logging.WARNING):
        _load({**DATABASE, "NATS__ENABLED": "true"}, tmp_path, "[nats]\nenabled = true\n[auth.cedar]\npolicy = 1\n")
    assert "[nats]" in caplog.text


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ('{ key = "0123456789abcdef" }', "belongs to a tenant"),
        (
            '{ key = "0123456789abcdef", role = "OPERATOR", tenant_id = "7b6f6cf4-0f4e-4d4e-8e8a-111111111111" }',
            "operator",
        ),
        ('{ key = "short", role = "OPERATOR" }', "at least 16"),
    ],
)
def test_keys_must_say_whose_they_are(tmp_path: Path, key: str, fault: str) -> None:
    """A key is a tenant's or an operator's, never neither or both, and long enough."""
    assert fault in _problems(DATABASE, tmp_path, f"[auth.static_api_key]\nkeys = [{key}]\n")


@pytest.mark.parametrize(("content", "fault"), [(b"a = ", "not valid TOML"), (b"\xff", "not valid TOML")])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes, fault: str) -> None:
    """The error names the file."""
    file = tmp_path / "broken.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"broken\.toml.*{fault}"):
        read_sources({"CONFIG_FILE": str(file)})


def test_a_missing_file_is_named() -> None:
    """A configured file that is not there is an error, not an empty configuration."""
    with pytest.raises(ConfigError, match="nowhere"):
        read_sources({"CONFIG_FILE": "/nowhere.toml"})


def test_a_list_in_the_environment_must_be_json(tmp_path: Path) -> None:
    """The error says how to write it."""
    assert "JSON" in _problems({**DATABASE, "TENANTS": "[{"}, tmp_path)
