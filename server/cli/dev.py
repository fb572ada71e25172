"""Serve on a private PostgreSQL that needs no set-up, with a database, a tenant, a token and a key.

Everything stays in the data folder, so the next run goes on where this one stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import shlex
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import UUID

from core.errors import AlreadyExists, StartupError
from server.boot.edition import Edition
from server.cli import token
from server.cli.database import configured_pool, prepared
from server.cli.dev_news import telling
from server.cli.dev_running import Note, running
from server.cli.dev_sign_in import sign_in_link
from server.cli.migrate import apply
from server.cli.parsers import port
from server.cli.remote.client import Client
from server.cli.remote.failures import REFUSED, CommandFailed
from server.cli.remote.servers import DEFAULT_FOLDER, CalledServer
from server.cli.serve import serve_edition
from server.config.load import read_sources
from server.database.embedded import Cluster, programs
from server.engine.tenants import create_tenant
from server.process.child import Child
from server.process.ports import hold
from server.storage.tenants import TenantRepository

TENANT = "dev"
KEYS = "AUTH__STATIC_API_KEY__KEYS"
HOST = "127.0.0.1"
START_TIMEOUT_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--data-dir", default=DEFAULT_FOLDER, help="folder of the database (default: %(default)s)")
    parser.add_argument("--port", type=port, default=8000, help="REST port (default: %(default)s, 0: a free one)")
    parser.add_argument("--grpc-port", type=port, default=9090, help="gRPC port (default: %(default)s, 0: a free one)")
    parser.add_argument(
        "--demo",
        nargs="?",
        const="workflow",
        choices=("workflow", "agent"),
        help="run an example workflow, or an agent, to its end, print it, and exit (default: workflow)",
    )
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)  # for the server that dev starts


def run(edition: Edition, arguments: argparse.Namespace) -> int:
    """Start PostgreSQL and the server, print how to use them, and stop both at the end."""
    if arguments.serve:
        programs()  # only an edition for development carries them
        return serve_edition(edition, development=True)
    folder = Path(arguments.data_dir).expanduser().resolve()
    if arguments.demo:
        arguments.port = arguments.grpc_port = 0
    cluster = Cluster(folder / "postgres")
    with _stopping_on_signals(), running(folder) as note:
        try:
            cluster.start()
            return _serve(edition, arguments, folder, cluster, note)
        finally:
            cluster.stop()


def _serve(edition: Edition, arguments: argparse.Namespace, folder: Path, cluster: Cluster, note: Note) -> int:
    http_port, grpc_port = (_free_port(port) for port in (arguments.port, arguments.grpc_port))
    environ = {
        "DATABASE_URL": cluster.url(),
        "WORKER_TOKEN_SECRET": _kept(folder / "worker-token-secret", _new_secret),
        "BIND_HOST": HOST,
        "SERVER_PORT": str(http_port),
        "GRPC_SERVER_PORT": str(grpc_port),
        "LOG__LEVEL": os.environ.get("LOG__LEVEL", "warning"),
    }
    os.environ.update(environ)
    admin_key = _kept(folder / "admin-key", lambda: f"flovyn_dev_{_new_secret()}")
    tenant_id = asyncio.run(_tenant(edition))
    environ[KEYS] = os.environ[KEYS] = json.dumps([*_configured_keys(), _administrator(admin_key, tenant_id)])
    issued = _kept_token(edition, folder / "worker-token")
    server = Child(["dev", "--serve"], environ)
    rest = f"http://{HOST}:{http_port}"
    try:
        _wait_until_ready(server, http_port)
        if not _is_admitted(rest, issued):  # it was revoked
            (folder / "worker-token").unlink(missing_ok=True)
            issued = _kept_token(edition, folder / "worker-token")
        place = {"rest": rest, "grpc": f"{HOST}:{grpc_port}", "token": issued, "adminKey": admin_key, "tenant": TENANT}
        note(**place, databaseUrl=cluster.url())
        if arguments.demo:
            _say({"REST": rest, "gRPC": place["grpc"], "token": issued})
            return _demo(arguments.demo, http_port, grpc_port, issued)
        return _until_stopped(edition, arguments, place, server)
    finally:
        server.stop()


def _until_stopped(edition: Edition, arguments: argparse.Namespace, place: dict[str, str], server: Child) -> int:
    """Say how the server is used, and which workflows start and end, until it stops."""
    port = int(place["rest"].rpartition(":")[2])
    has_console = any(each.name == "console" for each in edition.build_info.plugins)
    with sign_in_link(HOST, port, place["adminKey"], "/console" if has_console else "/api/docs") as link:
        other = "" if arguments.data_dir == DEFAULT_FOLDER else f" --data-dir {shlex.quote(arguments.data_dir)}"
        facts = {"REST": place["rest"], "gRPC": place["grpc"]}
        facts |= {"console": f"{place['rest']}/console"} if has_console else {}
        facts |= {"sign in": f"{link} (opens once)", "token": place["token"], "key": place["adminKey"]}
        facts |= {"DATABASE_URL": os.environ["DATABASE_URL"], "try": f"flovyn-server workflow list{other}"}
        facts |= {"": f"curl -H 'authorization: Bearer {place['token']}' {_tenant_url(port)}"}
        _say(facts)
        with telling(Client(CalledServer(place["rest"], place["adminKey"], TENANT)), _tell):
            return server.wait()


async def _tenant(edition: Edition) -> UUID:
    """Apply the migrations, and return the tenant, which is created at the first start."""
    ready = prepared(edition)
    await apply(edition, ready)
    async with configured_pool(ready) as pool:
        tenants = TenantRepository(pool)
        with contextlib.suppress(AlreadyExists):  # an earlier run made it
            await create_tenant(tenants, TENANT, "Development")
        tenant = await tenants.by_slug(TENANT)
        assert tenant is not None  # nothing deletes it
        return tenant.id


def _kept_token(edition: Edition, file: Path) -> str:
    """Return the token of earlier runs, or a new one."""
    return _kept(file, lambda: asyncio.run(token.create(edition, TENANT, "dev")).token)


def _administrator(key: str, tenant_id: UUID) -> dict[str, str]:
    return {"key": key, "tenant_id": str(tenant_id), "role": "ADMIN", "principal_id": "dev"}


def _configured_keys() -> list[Any]:
    """Return the static keys of the configuration, which the variable would replace."""
    if KEYS in os.environ:
        return list(json.loads(os.environ[KEYS]))
    auth = read_sources(os.environ).file.get("auth", {})
    return list(auth.get("static_api_key", {}).get("keys", []))


def _is_admitted(rest: str, issued: str) -> bool:
    try:
        Client(CalledServer(rest, issued, TENANT)).call("GET", "/api/v1/me")
    except CommandFailed as error:
        return error.exit_code != REFUSED
    return True


def _demo(name: str, http_port: int, grpc_port: int, issued: str) -> int:
    from server.grpc_api.agent_demo import run_agent_demo
    from server.grpc_api.demo import run_demo

    makes = {"workflow": "a workflow, a worker, and the history", "agent": "an agent, a worker, and the conversation"}
    sys.stdout.write(f"\nThe demo: {makes[name]} that they make\n")
    shows = {"workflow": run_demo, "agent": run_agent_demo}
    asyncio.run(shows[name](f"{HOST}:{grpc_port}", _tenant_url(http_port), issued, sys.stdout.write))
    return 0


def _say(facts: Mapping[str, str]) -> None:
    width = max(map(len, facts))
    sys.stdout.write("".join(f"{name:<{width}} {text}\n" for name, text in facts.items()))
    sys.stdout.flush()


def _tell(line: str) -> None:
    sys.stdout.write(line)
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


def _kept(file: Path, make: Callable[[], str]) -> str:
    """Return the text that an earlier run has kept, or make one; only this user can read it."""
    if not file.exists():
        text = make()
        with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as opened:  # readable by us alone
            opened.write(text)
        Path(opened.name).rename(file)
    return file.read_text()


def _new_secret() -> str:
    return secrets.token_urlsafe(48)


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
