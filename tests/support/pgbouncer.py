"""A real PgBouncer in front of a cluster of a test.

``TEST_PGBOUNCER`` names its program; tests that need one are skipped without it. With ``TEST_THROUGH_PGBOUNCER``, every
server that tests run reaches its database through one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from server.database.embedded import leave_root_and_die_with_parent

PROGRAM = os.environ.get("TEST_PGBOUNCER")
PORT = 6432
START_WITHIN_S = 20.0
POOL_SIZE = 20

ALWAYS = PROGRAM is not None and bool(os.environ.get("TEST_THROUGH_PGBOUNCER"))

needs_pgbouncer = pytest.mark.skipif(PROGRAM is None, reason="TEST_PGBOUNCER names no PgBouncer")

_SETTINGS: Mapping[str, object] = {
    "listen_addr": "",
    "auth_type": "trust",
    "auth_user": "postgres",
    "pool_mode": "transaction",
    "default_pool_size": POOL_SIZE,
    "max_client_conn": 1000,
    "server_lifetime": 3600,
    "stats_users": "postgres",
    "admin_users": "postgres",
    "log_connections": 0,
    "log_disconnections": 0,
}


class PgBouncer:
    """A PgBouncer that listens on a socket beside that of its cluster.

    Attributes:
        direct: address of a database of the cluster.
    """

    def __init__(self, direct: str, **settings: object) -> None:
        self.direct = direct
        self._sockets = parse_qs(urlsplit(direct).query)["host"][0]
        self._port = settings.pop("listen_port", PORT)
        self._folder = tempfile.TemporaryDirectory(prefix="pgbouncer-")
        self._settings = {**_SETTINGS, **settings}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of the database through the pooler."""
        return f"{self.direct}&port={self._port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        assert PROGRAM is not None
        folder = Path(self._folder.name)
        (folder / "users.txt").write_text('"postgres" ""\n')
        lines = {
            **self._settings,
            "auth_file": folder / "users.txt",
            "unix_socket_dir": self._sockets,
            "listen_port": self._port,
            "logfile": folder / "log",
        }
        text = "".join(f"{name} = {value}\n" for name, value in lines.items())
        (folder / "pgbouncer.ini").write_text(f"[databases]\n* = host={self._sockets}\n[pgbouncer]\n{text}")
        self._process = subprocess.Popen(
            [PROGRAM, "--quiet", str(folder / "pgbouncer.ini")],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=leave_root_and_die_with_parent,  # noqa: PLW1509 - as for a cluster
        )
        self._wait()

    def kill(self) -> None:
        """End it at once: the connections of both sides break."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End it, and remove its files."""
        if self._process is not None:
            self.kill()
            self._process = None
        self._folder.cleanup()

    def command(self, statement: str) -> list[tuple[object, ...]]:
        """Run a statement of its console."""
        console = f"postgres://postgres@/pgbouncer?host={self._sockets}&port={self._port}"
        with psycopg.connect(console, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def log(self) -> str:
        """Return its log."""
        return (Path(self._folder.name) / "log").read_text()

    def _wait(self) -> None:
        assert self._process is not None
        ends = time.monotonic() + START_WITHIN_S
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > ends:
                    raise
                time.sleep(0.02)
            else:
                return


def addresses(direct: str) -> Mapping[str, str]:
    """Return the settings of a server for a database: through a pooler, if one runs in front of all tests' databases."""
    sockets = parse_qs(urlsplit(direct).query).get("host", [""])[0]
    if ALWAYS and Path(sockets, f".s.PGSQL.{PORT}").exists():
        return {"DATABASE_URL": f"{direct}&port={PORT}", "DATABASE__DIRECT_URL": direct}
    return {"DATABASE_URL": direct}


@contextmanager
def pgbouncer(direct: str, **settings: object) -> Iterator[PgBouncer]:
    """Run a PgBouncer in front of the cluster of ``direct``, in transaction mode unless ``settings`` say otherwise."""
    pooler = PgBouncer(direct, **settings)
    pooler.start()
    try:
        yield pooler
    finally:
        pooler.stop()
