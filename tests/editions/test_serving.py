"""Built editions on a real PostgreSQL, used as an operator and a worker use them."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from tests.support import calls
from tests.support.driving import COMPLETED, complete
from tests.support.pex import SECRET, Serving, run
from tests.support.running import Connection

FULL = "FULL_PEX"


@pytest.fixture
def served(empty_database: str) -> Iterator[tuple[str, Serving]]:
    """The full edition serving on an empty database; its address comes along."""
    with Serving(FULL, empty_database) as server:
        yield empty_database, server


def _command(database_url: str, *arguments: str) -> str:
    done = run(FULL, *arguments, DATABASE_URL=database_url, WORKER_TOKEN_SECRET=SECRET)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _tenant_and_token(database_url: str) -> tuple[str, str]:
    tenant = json.loads(_command(database_url, "tenant", "create", "acme", "--json"))
    return tenant["id"], _command(database_url, "token", "create", "--tenant", "acme").strip()


def _connection(port: int, tenant_id: str, token: str) -> Connection:
    return Connection(grpc.aio.insecure_channel(f"127.0.0.1:{port}"), tenant_id, token)


def test_migrating_twice_does_it_once(empty_database: str) -> None:
    """The second run says that there is nothing to do."""
    assert "  worker-token 0001_create_tokens.sql" in _command(empty_database, "migrate")
    assert "nothing to do" in _command(empty_database, "migrate")


def test_the_remains_of_a_plugin_are_listed_and_can_be_purged(empty_database: str) -> None:
    """An edition without the plugin finds its table orphaned; purge lists it, and drops it only with --yes."""
    environ = {"DATABASE_URL": empty_database, "WORKER_TOKEN_SECRET": SECRET}

    def answer(variable: str, *arguments: str) -> Any:
        done = run(variable, *arguments, "--json", **environ)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    plan = answer("DEV_PEX", "migrate", "plan")
    greetings = next(each for each in plan["pending"] if each["migration"].startswith("hello-world"))
    assert greetings["locks"] == [{"line": 2, "table": "tenant", "mode": "SHARE ROW EXCLUSIVE"}]
    answer("DEV_PEX", "migrate", "apply")
    orphan = {"plugin": "hello-world", "table": "p_hello_world__greetings", "rows": 0}
    assert answer(FULL, "migrate", "plan") == {"pending": [], "ahead": [], "orphans": [orphan]}
    owners = {each["name"]: each["owner"] for each in answer(FULL, "schema")}
    assert owners["p_hello_world__greetings"] == "orphan"
    assert (owners["p_worker_token__tokens"], owners["tenant"]) == ("plugin", "core")
    assert "unknown" not in owners.values()
    purge = ("migrate", "purge", "--plugin", "hello-world")
    assert list(answer(FULL, *purge)) == ["would_drop_with_yes"]
    assert list(answer(FULL, *purge, "--yes")) == ["dropped"]
    assert answer(FULL, "migrate", "plan")["orphans"] == []
    assert answer("DEV_PEX", "migrate", "status")["pending"] == [
        "hello-world 0001_create_greetings.sql",
        "hello-world 0002_add_greeted_at.sql",
    ]


def test_health_says_which_edition_and_no_more(served: tuple[str, Serving]) -> None:
    """Without credentials: status, version, edition, plugins."""
    version = json.loads(run(FULL, "version", "--json").stdout)
    status, body = served[1].get("/_/health")
    assert status == 200
    assert body == {"status": "UP", **{key: version[key] for key in ("version", "edition", "plugins")}}
    assert served[1].get("/_/health/ready") == (
        200,
        {"status": "UP", "components": {"database": "UP", "serving": "UP"}},
    )


def test_everything_but_health_needs_credentials(served: tuple[str, Serving]) -> None:
    """A route without a key is 401, a path that is none 404, in the one error form."""
    assert served[1].get("/api/v1/tenants") == (
        401,
        {"error": "credentials are required: send 'authorization: Bearer <token>'", "code": "unauthenticated"},
    )
    assert served[1].get("/api/v1/nothing")[0] == 404


async def test_a_worker_token_carries_one_workflow_through(served: tuple[str, Serving]) -> None:
    """Tenant and token from the command line, the rest over gRPC."""
    database_url, server = served
    worker = _connection(server.grpc_port, *await asyncio.to_thread(_tenant_and_token, database_url))
    async with worker.channel:
        workflow_id = await calls.start(worker, data=[1])
        execution = await calls.poll(worker)
        assert execution is not None
        assert (execution.id, execution.input) == (workflow_id, b"[1]")
        await calls.submit(worker, workflow_id, complete(b"2"), status=COMPLETED)
        history = await calls.events(worker, workflow_id)
        assert [event_type for _, event_type, _ in history] == ["WORKFLOW_STARTED", "WORKFLOW_COMPLETED"]


async def test_a_killed_server_loses_nothing_that_it_acknowledged(served: tuple[str, Serving]) -> None:
    """Starts that were answered before kill -9 are there for the next server."""
    database_url, server = served
    tenant_id, token = await asyncio.to_thread(_tenant_and_token, database_url)
    worker = _connection(server.grpc_port, tenant_id, token)
    async with worker.channel:
        started = set(await asyncio.gather(*(calls.start(worker) for _ in range(50))))
    workers = server.workers()
    server.process.kill()
    for pid in workers:
        _kill(pid)
    with await asyncio.to_thread(Serving(FULL, database_url).__enter__) as again:
        worker = _connection(again.grpc_port, tenant_id, token)
        async with worker.channel:
            polled = [await calls.poll(worker) for _ in range(50)]
            assert {each.id for each in polled if each is not None} == started


def _kill(pid: int) -> None:
    """Kill a worker of a server that is dead; it may have ended by itself."""
    import os
    from contextlib import suppress

    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def test_pending_migrations_stop_a_server_that_may_not_migrate(empty_database: str) -> None:
    """They are listed, and nothing is changed."""
    done = run(FULL, "serve", DATABASE_URL=empty_database, WORKER_TOKEN_SECRET=SECRET, AUTO_MIGRATE="false")
    assert done.returncode == 1
    assert "  core 0001_create_tenant.sql\n" in done.stderr
    assert "  worker-token 0001_create_tokens.sql" in done.stderr
    assert "error: auto_migrate is off" in done.stderr


BAD_STARTS = {
    "no configuration": ({"DATABASE_URL": ""}, r"error: the configuration has 1 problem:\n  database_url"),
    "no database": (
        {"DATABASE_URL": "postgres://u:hunter2@127.0.0.1:1/x", "DATABASE__STARTUP_WAIT": "0"},
        r"error: the database at 127.0.0.1:1/x cannot",
    ),
    "no secret": ({"WORKER_TOKEN_SECRET": ""}, r"worker-token.*WORKER_TOKEN_SECRET"),
    "short secret": ({"WORKER_TOKEN_SECRET": "hunter2"}, r"plugins\.worker_token\.secret"),
    "unknown authenticator": ({"AUTH__ENDPOINTS__GRPC__AUTHENTICATORS": '["nope"]'}, r"no authenticator 'nope'"),
    "unknown authorizer": ({"AUTH__ENDPOINTS__HTTP__AUTHORIZER": "nope"}, r"no authorizer 'nope'"),
    "one port": ({"SERVER_PORT": "7000", "GRPC_SERVER_PORT": "7000"}, r"both 7000"),
    "missing file": ({"CONFIG_FILE": "/nowhere.toml"}, r"'/nowhere\.toml' cannot be read"),
}


@pytest.mark.parametrize("case", BAD_STARTS)
def test_a_bad_start_is_one_clear_error(case: str, empty_database: str) -> None:
    """Exit code 1, the reason, no traceback, no secret."""
    environ, expected = BAD_STARTS[case]
    settings = {"DATABASE_URL": empty_database, "WORKER_TOKEN_SECRET": SECRET, **environ}
    done = run(FULL, "serve", **settings)
    assert done.returncode == 1
    assert re.search(expected, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr


def test_commands_say_what_the_database_lacks(empty_database: str) -> None:
    """Before the first migration, a command names the next step instead of a traceback."""
    for arguments in (["tenant", "list"], ["tenant", "create", "acme"], ["token", "create", "--tenant", "acme"]):
        done = run(FULL, *arguments, DATABASE_URL=empty_database, WORKER_TOKEN_SECRET=SECRET)
        assert done.returncode == 1
        assert done.stderr.startswith("error: the database is not up to date")
        assert "flovyn-server migrate" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("variable", ["SERVER_PORT", "GRPC_SERVER_PORT"])
def test_a_taken_port_is_one_clear_error(variable: str, served: tuple[str, Serving]) -> None:
    """The second server says which port and stops; the first serves on."""
    database_url, server = served
    port = server.http_port if variable == "SERVER_PORT" else server.grpc_port
    environ = {"SERVER_PORT": "0", "GRPC_SERVER_PORT": "0", variable: str(port), "BIND_HOST": "127.0.0.1"}
    done = run(FULL, "serve", DATABASE_URL=database_url, WORKER_TOKEN_SECRET=SECRET, **environ)
    assert done.returncode == 1
    assert f"{variable.lower()}: cannot listen on 127.0.0.1:{port}: Address already in use" in done.stderr
    assert server.get("/_/health")[0] == 200


def test_an_edition_without_the_plugin_issues_no_tokens(database: str) -> None:
    """It says which plugin would."""
    done = run("MINIMAL_PEX", "token", "create", "--tenant", "acme", DATABASE_URL=database)
    assert (done.returncode, "worker-token" in done.stderr) == (1, True)


def test_dev_demo_ends_by_itself_and_leaves_nothing_running(tmp_path: Path) -> None:
    """The history is printed, the data folder stays, no process does; the second run goes on with the first's data."""
    for _ in range(2):
        done = run("DEV_PEX", "dev", "--demo", "--data-dir", str(tmp_path / "data"))
        assert done.returncode == 0, done.stderr
        timeline = re.findall(r"^ +\d+  [\d:.]+ +([A-Z_]+)", done.stdout, re.MULTILINE)
        assert (timeline[0], timeline[-1]) == ("WORKFLOW_STARTED", "WORKFLOW_COMPLETED")
        happened = {"TASK_COMPLETED", "TIMER_FIRED", "PROMISE_RESOLVED", "SIGNAL_RECEIVED", "CHILD_WORKFLOW_COMPLETED"}
        assert happened <= set(timeline)
        assert "FAILED: card reader is busy, COMPLETED" in done.stdout
    commands = [entry.read_bytes() for entry in Path("/proc").glob("[0-9]*/cmdline") if entry.exists()]
    assert not [each for each in commands if str(tmp_path).encode() in each]


def test_dev_demo_of_an_agent_prints_its_conversation(tmp_path: Path) -> None:
    """Two tasks, a signal and a child are in it."""
    done = run("DEV_PEX", "dev", "--demo", "agent", "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr
    roles = re.findall(r"^ +[\d:.]{12}  (\w+)", done.stdout, re.MULTILINE)
    assert roles == ["user", "tool_result", "tool_result", "user", "assistant"]
    assert re.findall(r"^task (\S+) +(\w+)", done.stdout, re.MULTILINE) == [
        ("search-web", "COMPLETED"),
        ("search-library", "COMPLETED"),
    ]
    assert re.search(r'^signal style +"short"$', done.stdout, re.MULTILINE)
    assert re.search(r"^child writer +COMPLETED", done.stdout, re.MULTILINE)


async def test_a_plugin_from_another_workspace_serves(empty_database: str, tmp_path: Path) -> None:
    """Its table is made, its route, alias and RPC answer; a call without credentials is refused."""
    key, tenant = "a key of this test, long enough", "11111111-1111-4111-8111-111111111111"
    config = tmp_path / "config.toml"
    config.write_text(
        f'tenants = [{{ id = "{tenant}", slug = "acme", name = "Acme" }}]\n'
        f'[auth.static_api_key]\nkeys = [{{ key = "{key}", tenant_id = "{tenant}" }}]\n'
    )
    with Serving("OUT_OF_TREE_PEX", empty_database, CONFIG_FILE=str(config)) as server:
        added = server.send("POST", "/api/v1/p/widgets/widgets", key, {"name": "one"})
        again = server.send("POST", "/api/tenants/acme/widgets", key, {"name": "two"})
        assert (added, again) == ((201, {"name": "one"}), (201, {"name": "two"}))
        assert server.send("POST", "/api/v1/p/widgets/widgets", None, {"name": "x"})[0] == 401
        document = server.get("/api/docs/openapi.json", key)[1]
        assert "post" in document["paths"]["/api/v1/p/widgets/widgets"]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            count: Any = channel.unary_unary("/flovyn.plugins.widgets.v1.WidgetService/CountWidgets")
            assert await count(b"", metadata=(("authorization", f"Bearer {key}"),)) == b"\x08\x02"
            with pytest.raises(grpc.aio.AioRpcError, match="credentials are required"):
                await count(b"")
