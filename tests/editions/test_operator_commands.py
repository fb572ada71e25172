"""``config``, ``openapi`` and ``doctor`` of built editions, as an operator uses them."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import psycopg

from tests.support.pex import SECRET, Serving, pex, run

FULL = "FULL_PEX"


def doctor(**environ: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """The exit code, and the findings by check."""
    done = run(FULL, "doctor", "--json", WORKER_TOKEN_SECRET=SECRET, **environ)
    found: dict[str, list[dict[str, Any]]] = {}
    for each in json.loads(done.stdout)["checks"]:
        found.setdefault(each["check"], []).append(each)
    return done.returncode, found


def results(found: dict[str, list[dict[str, Any]]], check: str) -> list[str]:
    return [each["result"] for each in found[check]]


def test_the_example_of_an_edition_passes_its_check(tmp_path: Path) -> None:
    """With the database's address and the secret of worker tokens, as a reader fills them in."""
    text = run(FULL, "config", "example").stdout
    assert {"audit_log", "jwt", "worker_token"} == set(tomllib.loads(text)["plugins"])
    file = tmp_path / "server.toml"
    file.write_text(text)
    refused = run(FULL, "config", "check", str(file))
    assert refused.returncode == 1
    assert "database_url: is required (environment: DATABASE_URL)" in refused.stderr
    text = re.sub(r"^#database_url =", "database_url =", text, flags=re.MULTILINE)
    file.write_text(re.sub(r"^#secret =$", f'secret = "{SECRET}"', text, flags=re.MULTILINE))
    done = run(FULL, "config", "check", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"ok: {file} and the environment configure edition full\n"


def test_a_check_finds_what_only_a_plugin_knows(tmp_path: Path) -> None:
    """Half of the settings of an authenticator are refused, by name, without a database."""
    file = tmp_path / "server.toml"
    file.write_text('database_url = "postgres://nowhere/x"\n[auth.jwt]\nissuer = "https://id.example"\n')
    done = run(FULL, "config", "check", str(file), WORKER_TOKEN_SECRET=SECRET)
    assert done.returncode == 1
    assert "jwks_uri" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_schema_is_of_this_edition() -> None:
    """The tables of its plugins are in it, and no others."""
    schema = json.loads(run(FULL, "config", "schema").stdout)
    assert set(schema["properties"]["plugins"]["properties"]) == {"audit_log", "jwt", "worker_token"}
    assert json.loads(run("MINIMAL_PEX", "config", "schema").stdout)["properties"]["plugins"]["properties"] == {}


def test_the_document_is_the_one_that_a_server_answers(empty_database: str) -> None:
    """``openapi`` prints without a database the document that the running server answers, to the letter."""
    printed = json.loads(run(FULL, "openapi").stdout)
    open_ = json.dumps(["/api/docs*"])
    with Serving(FULL, empty_database, AUTH__ENDPOINTS__HTTP__EXCLUDE_PATHS=open_) as server:
        assert server.get("/api/docs/openapi.json") == (200, printed)


def test_a_machine_that_is_ready(empty_database: str) -> None:
    """Nothing fails; the migrations are still to come."""
    code, found = doctor(DATABASE_URL=empty_database, SERVER_PORT="0", GRPC_SERVER_PORT="0")
    assert code == 0, found
    assert {"python", "disk", "settings", "ports", "limits", "database", "encoding", "rights", "clock"} < found.keys()
    assert results(found, "database") == results(found, "encoding") == results(found, "rights") == ["ok"]
    assert results(found, "migrations") == ["warn"]
    assert "migrate plan" in found["migrations"][0]["advice"]


def test_a_served_database_is_in_order(empty_database: str) -> None:
    """Beside a running server, its ports are its own, and nothing is pending."""
    with Serving(FULL, empty_database) as server:
        ports = {"SERVER_PORT": str(server.http_port), "GRPC_SERVER_PORT": str(server.grpc_port)}
        code, found = doctor(DATABASE_URL=empty_database, BIND_HOST="127.0.0.1", **ports)
    assert code == 0, found
    assert results(found, "migrations") == ["ok"]
    assert results(found, "ports") == ["ok", "ok"]
    assert str(server.http_port) in found["ports"][0]["text"]
    assert "a server of this same file" in found["ports"][0]["text"]


def test_a_port_of_another_program(empty_database: str) -> None:
    """The process that has it is named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, found = doctor(DATABASE_URL=empty_database, BIND_HOST="127.0.0.1", SERVER_PORT=port)
    assert code == 1
    assert found["ports"][0]["result"] == "FAIL"
    assert "process" in found["ports"][0]["text"]


def test_a_database_that_is_away() -> None:
    """One line says where it was looked for; the password is not in it."""
    done = run(FULL, "doctor", DATABASE_URL="postgres://u:hunter2@127.0.0.1:1/x", WORKER_TOKEN_SECRET=SECRET)
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    assert "127.0.0.1:1/x" in line
    assert "hunter2" not in done.stdout + done.stderr


def test_a_migration_that_was_changed(empty_database: str) -> None:
    """The edited history fails the check and names the migration."""
    assert run(FULL, "migrate", DATABASE_URL=empty_database, WORKER_TOKEN_SECRET=SECRET).returncode == 0
    with psycopg.connect(empty_database) as connection:
        connection.execute("UPDATE _plugin_migrations SET checksum = 'x' WHERE plugin = 'audit-log' AND version = 1")
    code, found = doctor(DATABASE_URL=empty_database)
    assert code == 1
    assert results(found, "migrations") == ["FAIL"]
    assert "0001_create_events.sql was changed" in found["migrations"][0]["text"]


def test_migrations_that_would_stop_the_start(empty_database: str) -> None:
    """With auto_migrate off, what is pending is a failure."""
    code, found = doctor(DATABASE_URL=empty_database, AUTO_MIGRATE="false")
    assert (code, results(found, "migrations")) == (1, ["FAIL"])


def test_a_role_without_rights(empty_database: str) -> None:
    """A role that may not make tables is told what it lacks."""
    with psycopg.connect(empty_database) as connection:
        connection.execute("CREATE ROLE poor LOGIN")
    code, found = doctor(DATABASE_URL=empty_database.replace("postgres@", "poor@"))
    assert code == 1
    assert results(found, "rights") == ["FAIL"]
    with psycopg.connect(empty_database) as connection:
        connection.execute("DROP ROLE poor")


def test_the_commands_with_which_continuous_integration_starts_a_file(empty_database: str) -> None:
    """The script of the workflows gets an edition from nothing to serving, and stopped again."""
    command = [sys.executable, ".ci/start.py", str(pex(FULL))]
    environ = {**os.environ, "DATABASE_URL": empty_database}
    done = subprocess.run(command, env=environ, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "stopped with code 0" in done.stdout


def test_open_doors_are_warned_of(empty_database: str) -> None:
    """Authentication that is off, and everybody who is known being allowed everything."""
    code, found = doctor(DATABASE_URL=empty_database, AUTH__ENABLED="false")
    assert (code, results(found, "settings")) == (0, ["warn", "warn"])
    assert "calls are not authenticated" in found["settings"][0]["text"]
    _, found = doctor(DATABASE_URL=empty_database, AUTH__ENDPOINTS__GRPC__AUTHORIZER="none")
    assert results(found, "settings") == ["warn"]
    assert "may do everything" in found["settings"][0]["text"]


def test_every_mistake_in_the_settings_is_a_line() -> None:
    """Two problems, two lines, each with its variable."""
    code, found = doctor(SERVER_PORT="x")
    assert code == 1
    assert results(found, "settings") == ["FAIL", "FAIL"]
