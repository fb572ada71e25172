"""Runs an unpacked image as a runtime would, and asks what its users rely on.

PEX_INTERPRETER=1 python3 bazel-bin/editions/dev.pex .ci/container.py ROOT IMAGE.json

The root is read-only, /tmp is in memory, the user is the image's, no privilege can be had, and no memory is both
writable and executable. PostgreSQL is the dev edition's. As root, because a runtime is; nothing outlives the program.
"""

from __future__ import annotations

import ctypes
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from server.database.embedded import Cluster

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 30
_PR_SET_MDWE = 65
_SECRET = "a secret of a test, long enough for it"  # noqa: S105

# In name spaces of its own: mounts that go away with the last process of them.
_ENTER = """
mount --make-rprivate /
mount --bind "$ROOT" "$ROOT"
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
mount -t tmpfs -o mode=1777 tmpfs "$ROOT/tmp"
mount -t tmpfs tmpfs "$ROOT/run"
mkdir "$ROOT/run/postgresql"
mount --bind "$SOCKETS" "$ROOT/run/postgresql"
mount -o remount,bind,ro "$ROOT"
exec setpriv --no-new-privs chroot --userspec="$WHO" "$ROOT" /usr/bin/env -i "$@"
"""


class Container:
    """The image, ready to run commands in."""

    def __init__(self, root: Path, config: dict[str, Any], sockets: Path, port: int) -> None:
        """Take the unpacked image, its configuration, the folder of PostgreSQL's socket and REST's port."""
        settings = {
            "BIND_HOST": "127.0.0.1",
            "DATABASE_URL": "postgres://postgres@/postgres?host=/run/postgresql",
            "GRPC_SERVER_PORT": "0",
            "SERVER_PORT": str(port),
            "WORKER_TOKEN_SECRET": _SECRET,
        }
        self.config = config
        self._environ = {"ROOT": str(root), "SOCKETS": str(sockets), "WHO": config["User"], "PATH": os.environ["PATH"]}
        self._variables = [*config["Env"], *(f"{name}={value}" for name, value in settings.items())]

    def start(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command in the image."""
        enter = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", _ENTER, "enter"]
        return subprocess.Popen(
            [*enter, *self._variables, *command],
            env=self._environ,
            text=True,
            **options,
        )

    def run(self, *command: str) -> tuple[int, str]:
        """Run a command in the image; return its exit code and what it printed."""
        process = self.start(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return (process.wait(STOP_TIMEOUT_S), process.communicate()[0])

    def health(self) -> int:
        """Return how the image's own health check ends."""
        kind, *command = self.config["Healthcheck"]["Test"]
        words = command if kind == "CMD" else shlex.split(f"sh -c {shlex.quote(command[0])}")
        return self.run(*words)[0]

    @contextmanager
    def serving(self) -> Iterator[int]:
        """Run the image's command until it serves, and lend the server's process id."""
        started = time.monotonic()
        process = self.start(
            *self.config["Entrypoint"], *self.config["Cmd"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            _wait_until_serving(process)
            print(f"  serves after {time.monotonic() - started:.2f} s")
            yield _child(process.pid)
            check(process.wait(STOP_TIMEOUT_S) == 0, f"the stop ended with {process.returncode}")
        finally:
            process.kill()  # and with it, by --kill-child, whatever is left
            process.wait()


def check(holds: bool, otherwise: str) -> None:  # noqa: FBT001
    """Go on if it holds.

    Raises:
        SystemExit: it does not.
    """
    if not holds:
        raise SystemExit(f"FAILED: {otherwise}")


def _never_write_and_execute() -> None:
    """Forbid it to this process and all that it starts from now on; kernels before 6.3 do not know how."""
    ctypes.CDLL(None).prctl(_PR_SET_MDWE, 1, 0, 0, 0)


def _wait_until_serving(process: subprocess.Popen[str]) -> None:
    """Read the server's log until a worker serves; later lines are read as well, so that its pipe never fills."""
    assert process.stderr is not None
    lines: list[str] = []

    def late(*_: object) -> None:
        raise SystemExit(f"FAILED: not serving after {START_TIMEOUT_S} s:\n" + "".join(lines))

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, START_TIMEOUT_S)
    for line in process.stderr:
        lines.append(line)
        if line.startswith("{") and json.loads(line)["event"].endswith("is serving"):
            signal.setitimer(signal.ITIMER_REAL, 0)
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return
    raise SystemExit("FAILED: the server ended:\n" + "".join(lines))


def _child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def main(root: str, image: str) -> int:
    """Run the image and ask; ends with the first thing that is not so."""
    config = json.loads(Path(image).read_text(encoding="utf-8"))["Docker"]["config"]
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(Path(folder, "data"), durable=False)
        cluster.start()
        try:
            sockets = Path(cluster.url().partition("host=")[2])
            sockets.chmod(0o755)
            examine(Container(Path(root), config, sockets, _free_port()))
        finally:
            cluster.stop()
    return 0


def examine(container: Container) -> None:
    """Ask everything."""
    _never_write_and_execute()
    user = container.config["User"].split(":")[0]
    check(user not in {"", "0", "root"}, "the image's user is root")
    code, said = container.run("flovyn-server", "plugins")
    check(code == 0 and "worker-token" in said, f"plugins: {said}")
    code, said = container.run("python3", "-c", "open('/opt/flovyn/file', 'w')")
    check(code != 0 and "Read-only" in said, f"the root can be written: {said}")
    check(container.health() != 0, "the health check passes without a server")
    with container.serving() as pid:
        status = Path(f"/proc/{pid}/status").read_text()
        check(f"Uid:\t{user}\t{user}" in status, f"the server's user is not {user}")
        check("NoNewPrivs:\t1" in status, "the server could gain privileges")
        check(container.health() == 0, "the health check fails")
        os.kill(pid, signal.Signals[container.config.get("StopSignal", "SIGTERM")])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
