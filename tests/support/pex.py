"""Editions as files, and one that serves: started, watched and stopped as an operator would."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.running import TENANT, WORKER_KEY

SECRET = "0123456789abcdef0123456789abcdef"
START_TIMEOUT_S = 60.0
FOR_TENANT = {
    "TENANTS": json.dumps([{"id": str(TENANT), "slug": "test", "name": "Test"}]),
    "AUTH__STATIC_API_KEY__KEYS": json.dumps([{"key": WORKER_KEY, "tenant_id": str(TENANT)}]),
}
"""Settings of a server that knows the tenant and the worker key of ``tests.support.running``."""

_BUILT = {
    "FULL_PEX": "bazel-bin/editions/full.pex",
    "ARM_PEX": "bazel-bin/editions/full-linux-aarch64-py3.12.pex",
    "MUSL_PEX": "bazel-bin/tests/editions/on_alpine-linux-musl-x86_64-py3.12.pex",
    "MINIMAL_PEX": "bazel-bin/editions/minimal.pex",
    "DEV_PEX": "bazel-bin/editions/dev.pex",
    "MINIMAL_SCIE": "bazel-bin/tests/editions/minimal",
    "INTERPRETER": "bazel-bin/tests/editions/python.tar.gz",
    "OUT_OF_TREE_PEX": "bazel-bin/tests/editions/out_of_tree.pex",
    "REVERSED_PEX": "bazel-bin/tests/editions/out_of_tree_reversed.pex",
    "PREVIOUS_PEX": "",  # built from another commit
}


def pex(variable: str) -> Path:
    """The file that Bazel hands over, or the one that it built before plain pytest was started."""
    path = Path(os.environ.get(variable, _BUILT[variable])).absolute()
    assert path.exists(), f"{path} is missing; build it first: ./bazelw test //tests/editions/..."
    return path


def run(variable: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command of an edition from another directory, and return how it ended."""
    command = [str(pex(variable)), *arguments]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, cwd="/", env={**os.environ, **environ}, timeout=120
    )


def has_ended(pid: int) -> bool:
    """Whether a process that is not ours to wait for is gone, or only waits to be noticed."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


class Serving:
    """An edition that serves on free ports, from ``with`` to its end, found by its variable or its file; its log is kept."""

    def __init__(self, edition: str | Path, database_url: str, **environ: str) -> None:
        settings = {
            "DATABASE_URL": database_url,
            "WORKER_TOKEN_SECRET": SECRET,
            "BIND_HOST": "127.0.0.1",
            "SERVER_PORT": "0",
            "GRPC_SERVER_PORT": "0",
            **environ,
        }
        self._worker_count = int(settings.get("PROCESS__WORKERS", "1"))
        self.log: list[dict[str, Any]] = []
        self._grew = threading.Condition()
        self.process = subprocess.Popen(
            [str(edition if isinstance(edition, Path) else pex(edition)), "serve"],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            cwd="/",
            env={**os.environ, **settings},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        """Wait until it serves."""
        try:
            line = self.wait_for(r"starting \d+ worker")
            self.http_port, self.grpc_port = line["http_port"], line["grpc_port"]
            self.wait_for("serving", count=self._worker_count)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Stop it, if a test has not done so; by force, if it does not listen."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        self._reader.join(5)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def wait_for(self, pattern: str, count: int = 1) -> dict[str, Any]:
        """Return the ``count``-th log line whose message matches, waiting for it."""

        def found() -> list[dict[str, Any]]:
            return [line for line in self.log if re.search(pattern, str(line.get("event", "")), re.DOTALL)]

        with self._grew:
            arrived = self._grew.wait_for(lambda: len(found()) >= count or self._ended(), START_TIMEOUT_S)
        assert arrived and len(found()) >= count, f"no line {pattern!r} in {self.log}"  # noqa: PT018
        return found()[count - 1]

    def get(self, path: str, token: str | None = None) -> tuple[int, Any]:
        """Return status and JSON of a GET request."""
        return self.send("GET", path, token)

    def send(self, method: str, path: str, token: str | None = None, body: object = None) -> tuple[int, Any]:
        """Return status and JSON of a request."""
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.http_port}{path}"
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def workers(self) -> list[int]:
        """Return the process ids of the worker processes."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def kill(self) -> None:
        """End all of its processes as a power cut does."""
        self.process.send_signal(signal.SIGSTOP)  # it must not replace a worker meanwhile
        for pid in (*self.workers(), self.process.pid):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def _ended(self) -> bool:
        return self.process.poll() is not None and not self._reader.is_alive()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for text in self.process.stderr:
            with self._grew:
                self.log.append(json.loads(text) if text.startswith("{") else {"event": text.rstrip()})
                self._grew.notify_all()
        self.process.wait()
        with self._grew:
            self._grew.notify_all()


@asynccontextmanager
async def serving(edition: str | Path, database_url: str, **environ: str) -> AsyncIterator[Serving]:
    """Run an edition, by the name of its variable or its file, without blocking the test's loop."""
    server = Serving(edition, database_url, **environ)
    try:
        await asyncio.to_thread(server.__enter__)
        yield server
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)
