"""A start meets a database that is not there yet: it waits where that passes, and ends at once where it does not."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from core.errors import StartupError
from server.database import connecting
from server.database.connecting import connect_patiently
from tests.support.pex import Serving, serving
from tests.support.postgres import CrashingCluster, crashing_cluster
from tests.support.source import source_edition

WAIT_S = 30.0
AWAY = "postgres://u:hunter2@127.0.0.1:1/x"

SOURCES = {"AUTH__ENABLED": "false"}


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The command line of a server from sources."""
    return source_edition(tmp_path)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[CrashingCluster]:
    """A cluster of the test's own."""
    with crashing_cluster(tmp_path) as cluster:
        yield cluster


REFUSING = r"""
import socket, sys
state, text = sys.argv[1:]
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    client, _ = server.accept()
    client.recv(8192)
    fields = f"SFATAL\0VFATAL\0C{state}\0M{text}\0\0".encode()
    client.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)
    client.close()
"""


@contextmanager
def _refusing(state: str, text: str) -> Iterator[int]:
    """Run what refuses every connection as PostgreSQL does, and lend its port.

    It is a process: a ping of libpq, which tells refusals apart, holds this one's interpreter lock.
    """
    command = [sys.executable, "-c", REFUSING, state, text]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def _dsn(host: str) -> str:
    return f"postgres://u:hunter2@{host}/x?sslmode=disable&gssencmode=disable"


REFUSALS = [
    ("57P03", "the database system is starting up", True),
    ("57P03", "the database system is not yet accepting connections", True),
    ("57P03", "das Datenbanksystem startet", True),
    ("53300", "sorry, too many clients already", True),
    ("53300", "remaining connection slots are reserved for roles with the SUPERUSER attribute", True),
    ("28P01", 'password authentication failed for user "u"', False),
    ("28P01", "Passwort-Authentifizierung für Benutzer »u« fehlgeschlagen", False),
    ("3D000", 'database "x" does not exist', False),
    ("28000", 'no pg_hba.conf entry for host "127.0.0.1"', False),
]


async def _is_waited_for(dsn: str) -> bool:
    """Whether a start waits for the database, which refuses in any case."""
    with pytest.raises(StartupError, match="cannot be reached") as refused:
        await connect_patiently(dsn, timeout=2, wait=0.01)
    assert "hunter2" not in str(refused.value)
    return "gave up after" in str(refused.value)


@pytest.mark.parametrize(("state", "text", "passes"), REFUSALS)
async def test_only_what_passes_by_itself_is_waited_for(state: str, text: str, *, passes: bool) -> None:
    """PostgreSQL refuses for many reasons, and says so in the language of its administrator."""
    with _refusing(state, text) as port:
        assert await _is_waited_for(_dsn(f"127.0.0.1:{port}")) == passes


@pytest.mark.parametrize("dsn", [AWAY, "postgres://u@/x?host=/nowhere"])
async def test_a_database_that_does_not_run_yet_may_come(dsn: str) -> None:
    """No process listens there, or there is no socket."""
    assert await _is_waited_for(dsn)


@pytest.mark.parametrize("dsn", ["postgres://u@a b/x", "nonsense", "postgres://u@/x?port=abc"])
async def test_a_wrong_address_is_not_waited_for(dsn: str) -> None:
    """It is wrong for ever."""
    with pytest.raises(StartupError):
        await asyncio.wait_for(connect_patiently(dsn, 2, wait=3600), WAIT_S)


async def test_one_address_that_refuses_for_good_is_enough() -> None:
    """Of several addresses one is away, and the other does not know us."""
    with _refusing("28P01", "no") as port:
        assert not await _is_waited_for(_dsn(f"127.0.0.1:1,127.0.0.1:{port}"))


async def test_a_role_without_a_free_connection_is_waited_for(
    database: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many connections, until there are fewer."""
    monkeypatch.setattr(connecting, "TRY_AGAIN_S", 0.01)
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("CREATE ROLE limited LOGIN CONNECTION LIMIT 0")
        try:
            waiting = asyncio.create_task(connect_patiently(database.replace("postgres@", "limited@"), 2, wait=WAIT_S))
            async with asyncio.timeout(WAIT_S):
                while "too many connections" not in caplog.text:
                    await asyncio.wait([waiting], timeout=0.01)
            admin.execute("ALTER ROLE limited CONNECTION LIMIT 1")
            await (await waiting).close()
        finally:
            admin.execute("DROP ROLE limited")


async def test_the_wait_has_an_end_and_writes_a_line_a_second(caplog: pytest.LogCaptureFixture) -> None:
    """After the time that the configuration gives, the start ends with the reason; without any, at once."""
    caplog.set_level(logging.WARNING)
    with pytest.raises(StartupError, match=r"127\.0\.0\.1:1/x cannot be reached.*gave up after 2\.5 s"):
        await connect_patiently(AWAY, 2, wait=2.5)
    assert sum("waiting for the database" in line for line in caplog.messages) == 3
    assert "hunter2" not in caplog.text
    with pytest.raises(StartupError):
        await connect_patiently(AWAY, 2, wait=0)
    assert len(caplog.messages) == 3


_STOPPABLE = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
"""Starts a program that SIGINT ends: who runs the tests in the background may have told them to ignore it."""


@contextmanager
def _waiting(program: Path, command: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command whose database is away, until it has said that it waits."""
    process = subprocess.Popen(
        [sys.executable, "-c", _STOPPABLE, program, command],
        env={**os.environ, **SOURCES, "DATABASE_URL": AWAY, "SERVER_PORT": "0", "GRPC_SERVER_PORT": "0"},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            assert "hunter2" not in line
            if "waiting for the database" in line:
                break
        yield process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.mark.parametrize(
    ("command", "name", "code"),
    [("serve", "SIGTERM", 0), ("serve", "SIGINT", 130), ("migrate", "SIGTERM", 143), ("migrate", "SIGINT", 130)],
)
def test_a_stop_signal_ends_the_wait(program: Path, command: str, name: str, code: int) -> None:
    """At once: the first process of a container has no other way to hear of it."""
    with _waiting(program, command) as process:
        process.send_signal(getattr(signal, name))
        assert process.wait(10) == code


def test_the_doctor_does_not_wait(program: Path) -> None:
    """It says how things are."""
    done = subprocess.run(
        [program, "doctor"],
        env={**os.environ, **SOURCES, "DATABASE_URL": AWAY},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "FAIL  database" in done.stdout
    assert "waited for" not in done.stdout
    assert "waiting for" not in done.stderr


async def test_a_replaced_worker_waits_for_the_database(program: Path, cluster: CrashingCluster) -> None:
    """One worker process waits, not one after the other; it serves soon after the database is back."""
    async with serving(program, cluster.url(), **SOURCES) as server:
        await asyncio.to_thread(cluster.crash)
        os.kill(server.workers()[0], signal.SIGKILL)
        await asyncio.to_thread(server.wait_for, "waiting for the database")
        (waiting,) = server.workers()
        await asyncio.to_thread(server.wait_for, "waiting for the database", 4)
        assert server.workers() == [waiting]
        await asyncio.to_thread(cluster.come_back)
        await asyncio.to_thread(server.wait_for, "is serving", 2)
        assert server.workers() == [waiting]


async def test_a_stop_ends_a_worker_that_waits_for_the_database(program: Path, cluster: CrashingCluster) -> None:
    """The worker does not wait out its patience, nor is it killed."""
    server = Serving(program, cluster.url(), **SOURCES, PROCESS__DRAIN_TIMEOUT="60")
    try:
        await asyncio.to_thread(server.__enter__)
        await asyncio.to_thread(cluster.crash)
        os.kill(server.workers()[0], signal.SIGKILL)
        await asyncio.to_thread(server.wait_for, "waiting for the database")
        asked = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(server.process.wait, WAIT_S) == 0
        assert time.monotonic() - asked < 15
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)
