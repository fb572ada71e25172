"""Commands over the REST API of a real server, as a person and as a program runs them."""

from __future__ import annotations

import contextlib
import http.client
import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from core.build_info import BuildInfo
from plugins.audit_log.plugin import AuditLogPlugin
from plugins.worker_token.plugin import WorkerTokenPlugin
from server.boot.edition import Edition
from server.cli import run
from server.cli.dev_news import News
from server.cli.dev_running import running
from server.cli.dev_sign_in import sign_in_link
from server.cli.remote.client import Client
from server.cli.remote.servers import CalledServer
from tests.support.pex import FOR_TENANT, Serving
from tests.support.postgres import Databases
from tests.support.running import TENANT
from tests.support.source import source_edition

EDITION = Edition(BuildInfo("test", "0", "3.11", "", ()), list)
KEY = "an-administrators-key"
SETTINGS = {
    **FOR_TENANT,
    "PLUGINS__AUDIT_LOG__MODE": "required",
    "AUTH__STATIC_API_KEY__KEYS": json.dumps(
        [{"key": KEY, "tenant_id": str(TENANT), "role": "ADMIN", "principal_id": "ada"}]
    ),
}
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def server(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server with the plugins that have commands."""
    folder = tmp_path_factory.mktemp("edition")
    program = source_edition(folder, plugins=(WorkerTokenPlugin, AuditLogPlugin))
    with databases.migrated() as url, Serving(program, url, **SETTINGS) as server:
        yield server


@dataclass(frozen=True)
class Shell:
    """Runs commands whose variables name the server."""

    capsys: pytest.CaptureFixture[str]

    def fails(self, *arguments: str) -> tuple[int, str]:
        """Return exit code and message of a command."""
        code = run(EDITION, arguments)
        return code, self.capsys.readouterr().err

    def json(self, *arguments: str) -> list[Any]:
        """Return the lines that a command prints in a pipe."""
        assert run(EDITION, arguments) == 0, self.capsys.readouterr().err
        return [json.loads(line) for line in self.capsys.readouterr().out.splitlines()]

    def seen(self, *arguments: str) -> str:
        """Return the text that a command prints on a terminal."""
        stdout, stdout.isatty = sys.stdout, lambda: True  # type: ignore[method-assign]
        try:
            assert run(EDITION, arguments) == 0, self.capsys.readouterr().err
        finally:
            del stdout.isatty
        return self.capsys.readouterr().out


@pytest.fixture
def shell(server: Serving, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Commands with the variables of the server and of the administrator."""
    monkeypatch.setenv("FLOVYN_SERVER", f"http://127.0.0.1:{server.http_port}")
    monkeypatch.setenv("FLOVYN_TOKEN", KEY)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    return Shell(capsys)


def _started(shell: Shell, *arguments: str) -> str:
    [answer] = shell.json("workflow", "start", "order", *arguments)
    return str(answer["workflowExecutionId"])


def test_a_workflow_is_started_found_and_shown(shell: Shell) -> None:
    """The digits of its input stay; the beginning of its id is enough."""
    ident = _started(shell, "--input", '{"n": 1.10}', "--metadata", "team=shown")
    [found] = shell.json("workflow", "list", "--metadata", "team=shown")
    assert (found["id"], found["status"]) == (ident, "PENDING")
    table = shell.seen("workflow", "list", "--metadata", "team=shown").splitlines()
    assert table[0].split() == ["ID", "KIND", "STATUS", "QUEUE", "CREATED", "ENDED", "ERROR"]
    assert table[1].split()[:4] == [ident, "order", "PENDING", "default"]
    assert '{"n": 1.10}' in shell.seen("workflow", "show", ident[:13])
    [event] = shell.json("workflow", "history", ident)
    assert event["eventType"] == "WORKFLOW_STARTED"


def test_an_input_may_come_from_a_file(shell: Shell, tmp_path: Path) -> None:
    """Or from standard input."""
    (tmp_path / "input.json").write_text('{"item": "book"}')
    ident = _started(shell, "--input", f"@{tmp_path}/input.json")
    assert '{"item": "book"}' in shell.seen("workflow", "show", ident)


def test_a_key_starts_one_workflow(shell: Shell) -> None:
    """The second start says so."""
    ident = _started(shell, "--key", "once")
    assert shell.seen("workflow", "start", "order", "--key", "once") == f"{ident} was started before\n"


def test_workflows_are_counted(shell: Shell) -> None:
    """All that match, or by status."""
    for _ in range(3):
        _started(shell, "--queue", "counted")
    assert shell.seen("workflow", "count", "--queue", "counted") == "3\n"
    by_status = {
        each["status"]: each["count"] for each in shell.json("workflow", "count", "--by-status", "--queue", "counted")
    }
    assert (by_status["PENDING"], sum(by_status.values())) == (3, 3)


def test_a_list_has_as_many_rows_as_asked_for(shell: Shell) -> None:
    """Over the border of a page."""
    for _ in range(103):
        _started(shell, "--queue", "many")
    assert len(shell.json("workflow", "list", "--queue", "many", "--limit", "102")) == 102
    assert len(shell.json("workflow", "list", "--queue", "many", "--limit", "1000")) == 103


def test_a_workflow_is_watched_until_it_ends(shell: Shell) -> None:
    """Signals and the cancellation are printed as they come; the exit code says how it ended."""
    ident, codes = _started(shell), list[int]()
    watch = threading.Thread(target=lambda: codes.append(run(EDITION, ["workflow", "watch", ident])))
    watch.start()
    assert run(EDITION, ["workflow", "signal", ident, "address", "--value", '"Main Street"', "--json"]) == 0
    assert run(EDITION, ["workflow", "cancel", ident, "--reason", "ordered twice"]) == 0
    watch.join(60)
    assert codes == [6]
    types = [each.get("eventType") for each in map(json.loads, shell.capsys.readouterr().out.splitlines())]
    assert [each for each in types if each] == [
        "WORKFLOW_STARTED",
        "SIGNAL_RECEIVED",
        "CANCELLATION_REQUESTED",
        "WORKFLOW_EXECUTION_FAILED",
        "WORKFLOW_CANCELLED",
    ]
    assert shell.seen("workflow", "cancel", ident).startswith("CANCELLED")


def test_a_workflow_is_terminated_and_deleted(shell: Shell) -> None:
    """An open one is not deleted; a deleted one is gone."""
    ident = _started(shell)
    code, text = shell.fails("workflow", "delete", ident)
    assert (code, "cancel or terminate it first" in text) == (1, True)
    assert shell.seen("workflow", "terminate", ident, "--reason", "it hangs") == "CANCELLED\n"
    assert shell.json("workflow", "list", "--id-prefix", ident)[0]["error"] == "it hangs"
    assert shell.seen("workflow", "delete", ident[:13]) == "deleted\n"
    assert shell.fails("workflow", "show", ident)[0] == 3


def test_many_workflows_are_changed_after_a_look(shell: Shell) -> None:
    """Without --yes, what matches is shown and stays; with it, all batches are changed."""
    for _ in range(203):
        _started(shell, "--queue", "bulk")
    seen = shell.seen("bulk", "cancel", "--queue", "bulk")
    assert len(seen.splitlines()) == 12
    assert seen.endswith("203 match; with --yes they are cancelled\n")
    [found] = shell.json("bulk", "cancel", "--queue", "bulk")
    assert (found["dryRun"], found["matched"]) == (True, 203)
    assert shell.json("bulk", "signal", "hurry", "--queue", "bulk", "--yes") == [{"changed": 203, "skipped": 0}]
    assert shell.seen("bulk", "cancel", "--queue", "bulk", "--status", "pending", "--yes") == "203 cancelled\n"
    assert shell.json("bulk", "delete", "--queue", "bulk", "--yes") == [{"changed": 203, "skipped": 0}]
    assert shell.json("workflow", "list", "--queue", "bulk") == []
    code, text = shell.fails("bulk", "cancel", "--yes")
    assert (code, "at least one condition" in text) == (1, True)


def test_queues_and_promises_are_listed(shell: Shell) -> None:
    """A queue with its numbers; a tenant without promises has no line."""
    _started(shell, "--queue", "seen")
    [queue] = [each for each in shell.json("queue", "list", "--type", "workflow") if each["name"] == "seen"]
    assert (queue["pending"], queue["running"], queue["onlineWorkers"]) == (1, 0, 0)
    title, *rows = shell.seen("queue", "list").splitlines()
    assert title.split() == ["QUEUE", "TYPE", "PENDING", "OLDEST", "RUNNING", "BUSY", "ONLINE"]
    assert any(row.split()[:3] == ["seen", "WORKFLOW", "1"] for row in rows)
    assert shell.json("promise", "list") == []


def test_a_missing_thing_has_an_exit_code_of_its_own(shell: Shell) -> None:
    """As have wrong states, which the server refuses."""
    assert shell.fails("workflow", "show", UNKNOWN)[0] == 3
    assert shell.fails("workflow", "show", "0000000000000")[1] == (
        "error: there is no workflow whose id begins with 0000000000000\n"
    )
    assert shell.fails("workflow", "show", "no id\x1b[2J") == (
        3,
        "error: no id\\u001b[2J is no id of a workflow, nor the beginning of one\n",
    )
    assert shell.fails("promise", "resolve", "key:none")[0] == 3
    assert shell.fails("promise", "reject", UNKNOWN, "no")[0] == 3
    assert shell.fails("task", "cancel", UNKNOWN)[0] == 3
    code, text = shell.fails("workflow", "retry", _started(shell))
    assert (code, "PENDING" in text) == (1, True)


def test_an_ambiguous_beginning_of_an_id_is_refused(shell: Shell) -> None:
    """Nothing is cancelled by chance."""
    for _ in range(17):
        _started(shell)
    found = [each["id"] for each in shell.json("workflow", "list", "--limit", "100")]
    first = next(each for each in "0123456789abcdef" if sum(ident[0] == each for ident in found) > 1)
    code, text = shell.fails("workflow", "cancel", first)
    assert (code, "several workflows" in text) == (1, True)


def test_tasks_are_listed_shown_and_cancelled(shell: Shell, server: Serving) -> None:
    """A standalone one that no worker has claimed is deleted."""
    status, task = server.send("POST", "/api/v1/tenants/test/task-executions", KEY, {"kind": "charge", "queue": "q"})
    assert status == 201
    assert [each["id"] for each in shell.json("task", "list", "--kind", "charge")] == [task["id"]]
    [shown] = shell.json("task", "show", task["id"])
    assert (shown["kind"], shown["attempts"]) == ("charge", [])
    assert shell.json("task", "logs", task["id"]) == []
    assert shell.json("task", "list", "--workflow", _started(shell)) == []
    assert "deleted" in shell.seen("task", "cancel", task["id"])
    assert shell.fails("task", "show", task["id"])[0] == 3


def test_a_schedule_is_created_paused_triggered_and_deleted(shell: Shell) -> None:
    """The list shows its state."""
    command = ["schedule", "create", "nightly", "--cron", "0 3 * * *", "--workflow", "report", "--input", "[1.50]"]
    [made] = shell.json(*command)
    assert "active" in shell.seen("schedule", "list")
    assert shell.seen("schedule", "pause", made["id"]) == "nightly is paused\n"
    assert "paused" in shell.seen("schedule", "list")
    assert shell.seen("schedule", "resume", made["id"]) == "nightly is active\n"
    [triggered] = shell.json("schedule", "trigger", made["id"])
    assert "[1.50]" in shell.seen("workflow", "show", triggered["workflowExecutionId"])
    assert shell.seen("schedule", "delete", made["id"]) == "deleted\n"
    assert shell.json("schedule", "list") == []


def test_tokens_are_listed_rotated_and_revoked(shell: Shell, server: Serving) -> None:
    """The new secret is printed once, and works."""
    status, made = server.send("POST", "/api/v1/p/worker-token/tokens", KEY, {"displayName": "bench"})
    assert status == 201
    assert "bench" in shell.seen("token", "list")
    secret = shell.seen("token", "rotate", made["id"]).strip()
    assert server.get("/api/v1/me", secret)[0] == 200
    assert server.get("/api/v1/me", made["token"])[0] == 401
    assert shell.seen("token", "revoke", made["id"]) == "revoked\n"
    assert made["id"] in [each["id"] for each in shell.json("token", "list", "--revoked")]
    assert made["id"] not in [each["id"] for each in shell.json("token", "list")]


def test_the_audit_log_is_listed_verified_and_exported(shell: Shell) -> None:
    """It has recorded the commands of this test."""
    ident = _started(shell)
    assert shell.json("audit", "list", "--resource-id", ident, "--principal", "ada")
    [verdict] = shell.json("audit", "verify")
    assert verdict["ok"]
    exported = shell.json("audit", "export", "--resource-id", ident)
    assert [each["resourceId"] for each in exported] == [ident]


def test_workers_are_listed(shell: Shell) -> None:
    """None has registered here."""
    assert shell.json("worker", "list") == []


def test_a_token_is_read_from_a_file(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No list of processes shows it."""
    monkeypatch.delenv("FLOVYN_TOKEN")
    (tmp_path / "key").write_text(f"{KEY}\n")
    assert shell.json("worker", "list", "--token-file", str(tmp_path / "key")) == []
    monkeypatch.setenv("FLOVYN_TOKEN_FILE", str(tmp_path / "key"))
    assert shell.json("worker", "list") == []


@pytest.mark.parametrize(
    ("variables", "code", "text"),
    [
        ({"FLOVYN_TOKEN": "wrong-key-0123456789"}, 4, "the credentials are not known"),
        ({"FLOVYN_TOKEN": ""}, 4, "credentials are missing: set FLOVYN_TOKEN, or use --token-file"),
        ({"FLOVYN_TOKEN": "a\nb"}, 1, "the token holds characters that no token has"),
        ({"FLOVYN_SERVER": "http://127.0.0.1:1"}, 5, "http://127.0.0.1:1 cannot be reached: Connection refused"),
        ({"FLOVYN_SERVER": "127.0.0.1:8000"}, 2, "is no address, such as https://"),
        ({"FLOVYN_SERVER": "http://a:b@127.0.0.1"}, 2, "the address holds credentials"),
        ({"FLOVYN_TENANT": "other/../../me"}, 3, "tenant"),
    ],
)
def test_a_server_that_does_not_answer_as_wished_is_told_in_one_line(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], code: int, text: str
) -> None:
    """With an exit code for scripts, and without the credential."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found, told = shell.fails("workflow", "list")
    assert (found, told.count("\n"), KEY in told) == (code, 1, False)
    assert text in told


def test_a_command_of_an_absent_plugin_says_so(
    databases: Databases, tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The edition of the server lacks it; the program that asks does not matter."""
    with databases.migrated() as url, Serving(source_edition(tmp_path), url, **SETTINGS) as bare:
        monkeypatch.setenv("FLOVYN_SERVER", f"http://127.0.0.1:{bare.http_port}")
        lacks = "error: the edition of this server does not contain the plugin"
        assert shell.fails("token", "list") == (3, f"{lacks} worker-token\n")
        assert shell.fails("audit", "verify") == (3, f"{lacks} audit-log\n")


def test_commands_find_the_dev_that_runs(
    shell: Shell, server: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as its process holds the data folder; afterwards its note counts for nothing."""
    monkeypatch.delenv("FLOVYN_SERVER")
    monkeypatch.delenv("FLOVYN_TOKEN")
    asked = ["worker", "list", "--data-dir", str(tmp_path)]
    with running(tmp_path) as note:
        assert shell.fails(*asked)[0] == 2
        note(rest=f"http://127.0.0.1:{server.http_port}", adminKey=KEY, tenant="test")
        assert shell.json(*asked) == []
        kept = (tmp_path / "running.json").read_bytes()
    (tmp_path / "running.json").write_bytes(kept)
    code, text = shell.fails(*asked)
    assert (code, f"no 'dev' runs on {tmp_path}" in text) == (2, True)


def _opened(link: str) -> tuple[int, str | None, str | None]:
    """Return status, place and cookie of an answer, as a browser gets it."""
    parts = urlsplit(link)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        return answer.status, answer.getheader("location"), answer.getheader("set-cookie")


def test_the_link_of_dev_signs_in_once(server: Serving) -> None:
    """A wrong link does not use it up; the first browser gets a session of the administrator, and no other one does."""
    with sign_in_link("127.0.0.1", server.http_port, KEY, "/console") as link:
        assert _opened(link + "x")[0] == 404
        status, place, cookie = _opened(link)
        assert (status, place) == (303, f"http://127.0.0.1:{server.http_port}/console")
        assert cookie is not None
        assert _opened(link) == (404, None, None)
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", "/api/v1/me", headers={"cookie": cookie.partition(";")[0]})
        answer = connection.getresponse()
        assert answer.status == 200
        assert b"ada" in answer.read()


def test_dev_tells_each_start_and_end_once(shell: Shell, server: Serving) -> None:
    """In the order of their times; what began before is not told."""
    before = _started(shell)
    news = News(Client(CalledServer(f"http://127.0.0.1:{server.http_port}", KEY, None)))
    started = _started(shell)
    [line] = news.lines()
    assert started in line
    assert "STARTED" in line
    assert list(news.lines()) == []
    shell.json("workflow", "cancel", before)
    [line] = news.lines()
    assert before in line
    assert "CANCELLED" in line
    assert list(news.lines()) == []
