"""Look at tasks of a running server, and delete those that no worker has claimed."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from server.boot.edition import Edition
from server.cli.parsers import integer
from server.cli.remote import commands
from server.cli.remote.client import segment
from server.cli.remote.commands import LIMIT_HELP, CommandCall, RestCommand, ident, option
from server.cli.remote.inputs import TIME_HELP, moment, words
from server.cli.remote.output import ID, STATUS, Column, number_column, parsed, plain, time_column
from server.cli.remote.output import moment as shown

STATUSES = ("PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED")
LEVELS = ("DEBUG", "INFO", "WARN", "ERROR")
_PATH = "/task-executions"
_MOST_LINES = 1000

LIST = (
    ID,
    Column("KIND", "kind"),
    STATUS,
    Column("QUEUE", "queue"),
    number_column("ATTEMPTS", "executionCount"),
    time_column("CREATED", "createdAt"),
    Column("ERROR", lambda row: row["error"] or ""),
)
_ATTEMPTS = (
    number_column("ATTEMPT", "attempt"),
    STATUS,
    time_column("STARTED", "startedAt"),
    number_column("MS", "durationMs"),
    Column("WORKER", "workerId"),
    Column("ERROR", lambda row: row["error"] or ""),
)


def list_(call: CommandCall) -> int:
    """List tasks."""
    given = call.arguments
    if given.workflow is not None:
        found = call.client.call(
            "GET", call.client.tenant_path(f"/workflow-executions/{segment(given.workflow)}/tasks")
        )
        call.output.rows(_matching(found["tasks"], given)[: given.limit], LIST, "the workflow has no such task")
        return 0
    query = {"status": given.status, "kind": given.kind, "queue": given.queue, "createdFrom": given.created_from}
    path = call.client.tenant_path(_PATH)
    rows = call.client.rows(path, "tasks", given.limit, view="summary", count="none", **query)
    call.output.rows(rows, LIST, "no standalone task matches; --workflow lists those of a workflow")
    return 0


def _matching(tasks: list[dict[str, Any]], given: Any) -> list[dict[str, Any]]:
    statuses = None if given.status is None else given.status.split(",")
    return [
        task
        for task in tasks
        if (statuses is None or task["status"] in statuses)
        and given.kind in (None, task["kind"])
        and given.queue in (None, task["queue"])
        and (given.created_from is None or parsed(task["createdAt"]) >= parsed(given.created_from))
    ]


def show(call: CommandCall) -> int:
    """Show a task with its attempts."""
    path, workflow = _path(call), call.arguments.workflow
    if workflow is None:
        task = call.client.call("GET", path)
    else:
        attempts_of = path.rpartition("/")[0]
        task = next(
            (each for each in call.client.call("GET", attempts_of)["tasks"] if each["id"] == call.arguments.id), {}
        )
    attempts = call.client.call("GET", f"{path}/attempts")["attempts"]
    if call.output.as_json:
        call.output.json({**task, "attempts": attempts})
        return 0
    names = ("id", "kind", "status", "queue", "error", "workerId", "progress", "progressDetails", "metadata")
    facts = [(name, task.get(name)) for name in names]
    facts += [(name, shown(f"{name}At")(task)) for name in ("created", "scheduled", "started", "completed")]
    call.output.facts([*facts, ("input", task.get("input")), ("output", task.get("output"))])
    if attempts:
        call.output.line("")
        call.output.rows(attempts, _ATTEMPTS, "")
    return 0


def logs(call: CommandCall) -> int:
    """Print the log of a task."""
    path, offset = f"{_path(call)}/logs", 0
    while True:
        page = call.client.call("GET", path, level=call.arguments.level, limit=_MOST_LINES, offset=offset)
        for line in page["logs"]:
            if call.output.as_json:
                call.output.json(line)
            else:
                call.output.line(f"{shown('timestamp')(line)}  {line['level']:<5}  {plain(line['message'])}")
        offset += len(page["logs"])
        if len(page["logs"]) < _MOST_LINES:
            return 0


def cancel(call: CommandCall) -> int:
    """Delete a standalone task that no worker has claimed."""
    call.client.call("DELETE", call.client.tenant_path(f"{_PATH}/{segment(call.arguments.id)}"))
    call.output.done({"id": call.arguments.id, "cancelled": True}, "the task was pending and is deleted")
    return 0


def _path(call: CommandCall) -> str:
    owner = "" if call.arguments.workflow is None else f"/workflow-executions/{segment(call.arguments.workflow)}"
    return call.client.tenant_path(f"{owner}{'/tasks' if owner else _PATH}/{segment(call.arguments.id)}")


_ID = ident("task")
_WORKFLOW = option("--workflow", metavar="ID", help="the workflow that the task belongs to (default: none, standalone)")

COMMANDS = (
    RestCommand(
        "list",
        "list standalone tasks, newest first, or the tasks of a workflow",
        list_,
        (
            _WORKFLOW,
            option(
                "--status", type=words(STATUSES), metavar="STATUS[,…]", help=f"one or several of {', '.join(STATUSES)}"
            ),
            option("--kind", help="tasks of this kind"),
            option("--queue", help="tasks of this queue"),
            option("--created-from", type=moment, metavar="TIME", help=f"created at or after: {TIME_HELP}"),
            option("--limit", type=integer(1, 1_000_000), default=50, metavar="N", help=LIMIT_HELP),
        ),
        ("task list --status FAILED --created-from 1d",),
    ),
    RestCommand(
        "show",
        "show a task and its attempts",
        show,
        (_ID, _WORKFLOW),
        ("task show 50978827-95c3-5808-8a3e-0f9c5f0c7a11",),
    ),
    RestCommand(
        "logs",
        "print the log of a task, oldest line first",
        logs,
        (_ID, _WORKFLOW, option("--level", type=str.upper, choices=LEVELS, help="lines of this level")),
        ("task logs 50978827-95c3-5808-8a3e-0f9c5f0c7a11 --level error",),
    ),
    RestCommand(
        "cancel",
        "delete a standalone task that no worker has claimed",
        cancel,
        (_ID,),
        ("task cancel 50978827-95c3-5808-8a3e-0f9c5f0c7a11",),
    ),
)

add_arguments = partial(commands.declare, commands=COMMANDS)


def run(edition: Edition, arguments: argparse.Namespace) -> int:
    """Carry out the command."""
    return commands.carry_out(edition, arguments)
