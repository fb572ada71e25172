"""Serve on a private PostgreSQL that needs no set-up, with a database, a tenant and a token.

Everything stays in the data folder, so the next run goes on where this one stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import secrets
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from core.errors import AlreadyExists, StartupError
from server.boot.edition import Edition
from server.cli import token
from server.cli.database import configured_pool, prepared
from server.cli.migrate import apply
from server.cli.serve import serve_edition
from server.database.embedded import Cluster, programs
from server.engine.tenants import create_tenant
from server.process.child import Child
from server.process.ports import hold
from server.storage.tenants import TenantRepository

TENANT = "dev"
HOST = "127.0.0.1"
START_TIMEOUT_S = 60.0
MAX_PORT = 65535
DEFAULT_FOLDER = "~/.local/share/flovyn-server/dev"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--data-dir", default=DEFAULT_FOLDER, help="folder of the database (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=8000, help="REST port (default: %(default)s, 0: a free one)")
    parser.add_argument("--grpc-port", type=_port, default=9090, help="gRPC port (default: %(default)s, 0: a free one)")
    parser.add_argument(
        "--demo",
        nargs="?",
        const="workflow",
        choices=("workflow", "agent"),
        help="run an example workflow, or an agent, to its end, print it, and exit (default: workflow)",
    )
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)  # for the server that dev starts


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= MAX_PORT:
        raise ValueError(text)
    return number


def run(edition: Edition, arguments: argparse.Namespace) -> int:
    """Start PostgreSQL and the server, print how to use them, and stop both at the end."""
    if arguments.serve:
        programs()  # only an edition for development carries them
        return serve_edition(edition, development=True)
    folder = Path(arguments.data_dir).expanduser().resolve()
    if arguments.demo:
        arguments.port = arguments.grpc_port = 0
    cluster = Cluster(folder / "postgres")
    with _stopping_on_signals():
        try:
            cluster.start()
            return _serve(edition, arguments, folder, cluster)
        finally:
            cluster.stop()


def _serve(edition: Edition, arguments: argparse.Namespace, folder: Path, cluster: Cluster) -> int:
    http_port, grpc_port = (_free_port(port) for port in (arguments.port, arguments.grpc_port))
    environ = {
        "DATABASE_URL": cluster.url(),
        "WORKER_TOKEN_SECRET": _kept_secret(folder / "worker-token-secret"),
        "BIND_HOST": HOST,
        "SERVER_PORT": str(http_port),
        "GRPC_SERVER_PORT": str(grpc_port),
        "LOG__LEVEL": os.environ.get("LOG__LEVEL", "warning"),
    }
    os.environ.update(environ)
    issued = asyncio.run(_tenant_and_token(edition))
    server = Child(["dev", "--serve"], environ)
    try:
        _wait_until_ready(server, http_port)
        _say(http_port, grpc_port, issued)
        if arguments.demo:
            return _demo(arguments.demo, http_port, grpc_port, issued)
        return server.wait()
    finally:
        server.stop()


async def _tenant_and_token(edition: Edition) -> str:
    ready = prepared(edition)
    await apply(edition, ready)
    async with configured_pool(ready) as pool:
        with contextlib.suppress(AlreadyExists):  # an earlier run made it
            await create_tenant(TenantRepository(pool), TENANT, "Development")
    return (await token.create(edition, TENANT, f"dev {time.strftime('%Y-%m-%d %H:%M:%S')}")).token


def _demo(name: str, http_port: int, grpc_port: int, issued: str) -> int:
    from server.grpc_api.agent_demo import run_agent_demo
    from server.grpc_api.demo import run_demo

    makes = {"workflow": "a workflow, a worker, and the history", "agent": "an agent, a worker, and the conversation"}
    sys.stdout.write(f"\nThe demo: {makes[name]} that they make\n")
    shows = {"workflow": run_demo, "agent": run_agent_demo}
    asyncio.run(shows[name](f"{HOST}:{grpc_port}", _tenant_url(http_port), issued, sys.stdout.write))
    return 0


def _say(http_port: int, grpc_port: int, issued: str) -> None:
    sys.stdout.write(
        f"REST  http://{HOST}:{http_port}\n"
        f"gRPC  {HOST}:{grpc_port}\n"
        f"token {issued}\n"
        f"try   curl -H 'authorization: Bearer {issued}' {_tenant_url(http_port)}\n"
    )
    sys.stdout.flush()


def _tenant_url(http_port: int) -> str:
    return f"http://{HOST}:{http_port}/api/v1/tenants/{TENANT}"


def _wait_until_ready(server: Child, port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if server.exit_code() is not None:
            raise StartupError("the server ended during its start; the reason is above")
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/_/health/ready", timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    raise StartupError(f"the server was not ready within {START_TIMEOUT_S:g} s")


def _kept_secret(file: Path) -> str:
    """Return the secret of earlier runs, or make one that only this user can read."""
    if not file.exists():
        with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as opened:  # readable by us alone
            opened.write(secrets.token_urlsafe(48))
        Path(opened.name).rename(file)
    return file.read_text()


def _free_port(port: int) -> int:
    with hold(HOST, port, "port") as holder:
        number: int = holder.getsockname()[1]
        return number


@contextlib.contextmanager
def _stopping_on_signals() -> Iterator[None]:
    """Turn TERM and HUP into what Ctrl-C is, so that everything is stopped in every case."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    yield
