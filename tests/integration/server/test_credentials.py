"""The password of the database comes from a file or a command, changes without a restart, and is never shown."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from core.errors import ConfigError, StartupError
from server.database import passwords
from server.database.passwords import Address
from server.database.pool import Pool
from tests.support.calls import start
from tests.support.postgres import CrashingCluster, crashing_cluster
from tests.support.running import CONFIG, prepared_for, running_server

BOTH = {"DATABASE__PASSWORD_FILE": "/x", "DATABASE__PASSWORD_COMMAND": '["/x"]'}
FIRST, SECOND = "first-hunter2", "second-hunter2"


class _Guarded:
    """A cluster whose role ``app`` needs a password.

    Attributes:
        url: its address without one.
    """

    def __init__(self, cluster: CrashingCluster) -> None:
        self._cluster = cluster
        cluster.execute("CREATE ROLE app LOGIN SUPERUSER")
        cluster.execute("CREATE DATABASE app OWNER app")
        rules = cluster.folder / "postgres" / "pg_hba.conf"
        rules.write_text("local all app scram-sha-256\nlocal all all trust\n")
        self.change(FIRST)
        self.url = cluster.url("app").replace("postgres@", "app@")

    def change(self, password: str) -> None:
        """Change the password, and end all connections of the role."""
        self._cluster.execute(f"ALTER ROLE app PASSWORD '{password}'")
        self._cluster.execute("SELECT pg_reload_conf()")
        self._cluster.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'app'")


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[_Guarded]:
    with crashing_cluster(tmp_path) as cluster:
        yield _Guarded(cluster)


def _command(file: Path) -> str:
    return f'["/bin/cat", "{file}"]'


@pytest.mark.parametrize("kind", ["file", "command"])
async def test_a_password_changes_without_a_restart(
    guarded: _Guarded, tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """All connections end, and the new ones use the new password: those of the pool, of locks and of LISTEN."""
    caplog.set_level(logging.DEBUG)
    file = tmp_path / "password"
    file.write_text(FIRST + "\n")
    environ = {
        "file": {"DATABASE__PASSWORD_FILE": str(file)},
        "command": {"DATABASE__PASSWORD_COMMAND": _command(file)},
    }
    async with running_server(guarded.url, (), None, **environ[kind]) as client:
        await start(client)
        file.write_text(SECOND)
        client.listening.connected.clear()
        await asyncio.to_thread(guarded.change, SECOND)
        await _until_serving(client.pool)
        await start(client)
        async with asyncio.timeout(30):
            await client.listening.connected.wait()
        assert "hunter2" not in repr(client.settings) + str(client.settings)
    assert "hunter2" not in caplog.text


async def _until_serving(pool: Pool) -> None:
    async with asyncio.timeout(30):
        while await pool.writes.why_not() is not None:
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        (
            {"DATABASE__PASSWORD_FILE": "/nowhere/password"},
            r"password_file '/nowhere/password' cannot be read: No such",
        ),
        ({"DATABASE__PASSWORD_FILE": "/dev/null"}, r"password_file gives no password"),
        ({"DATABASE__PASSWORD_COMMAND": '["/nowhere/program"]'}, r"password_command cannot be run: No such file"),
        ({"DATABASE__PASSWORD_COMMAND": '["/bin/sh", "-c", "echo hunter2; exit 3"]'}, r"command ended with status 3"),
        ({"DATABASE__PASSWORD_COMMAND": '["/bin/cat", "/dev/zero"]'}, r"password_command gives no password"),
        ({"DATABASE__PASSWORD_COMMAND": '["/bin/sh", "-c", "sleep 1000"]'}, r"password_command did not end within"),
        ({"DATABASE__PASSWORD_FILE": "/dev/zero"}, r"password_file gives no password"),
        ({"DATABASE__PASSWORD_COMMAND": '["/bin/echo", "hunter2"]'}, r"password authentication failed"),
    ],
    ids=[
        "no file",
        "an empty file",
        "no program",
        "a failing program",
        "endless output",
        "an endless program",
        "an endless file",
        "a wrong password",
    ],
)
async def test_a_start_without_the_right_password_says_why(
    guarded: _Guarded, environ: dict[str, str], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line, without the text that the file or the command gave."""
    monkeypatch.setattr(passwords, "ANSWER_WITHIN_S", 0.5)
    with pytest.raises(StartupError, match=reason) as refused:
        async with running_server(guarded.url, (), None, **environ, DATABASE__STARTUP_WAIT="0"):
            pass
    assert "hunter2" not in str(refused.value)


def test_two_sources_of_a_password_are_refused() -> None:
    """One of them would be ignored."""
    with pytest.raises(ConfigError, match="password_file and password_command are both set"):
        prepared_for("postgres://x", (), CONFIG, **BOTH)


async def test_a_command_is_not_run_for_every_connection(guarded: _Guarded, tmp_path: Path) -> None:
    """Its password serves further connections for a while."""
    (tmp_path / "password").write_text(FIRST)
    count = tmp_path / "count"
    script = f"echo run >>{count}; cat {tmp_path / 'password'}"
    address = Address(guarded.url, None, ["/bin/sh", "-c", script])
    for _ in range(5):
        await (await passwords.with_password(address, psycopg.AsyncConnection.connect, conninfo=guarded.url)).close()
    assert count.read_text() == "run\n"
