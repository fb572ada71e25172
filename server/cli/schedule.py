"""List and steer schedules of a running server."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from server.boot.edition import Edition
from server.cli.parsers import integer
from server.cli.remote import commands
from server.cli.remote.client import segment
from server.cli.remote.commands import LIMIT_HELP, CommandCall, RestCommand, ident, option
from server.cli.remote.inputs import JSON_HELP, document, pair
from server.cli.remote.inputs import moment as moment_option
from server.cli.remote.output import ID, Column, moment, number_column, time_column

_PATH = "/schedules"

LIST = (
    ID,
    Column("NAME", "name"),
    Column("STATE", lambda row: "active" if row["enabled"] else "paused"),
    Column("WHEN", lambda row: row["scheduleType"].get("cron") or row["scheduleType"].get("runAt"), is_whole=True),
    Column("STARTS", lambda row: row["target"].get("workflowKind") or row["target"].get("taskKind")),
    time_column("NEXT", "nextRunAt"),
    time_column("LAST", "lastRunAt"),
    number_column("RUNS", "runCount"),
)


def list_(call: CommandCall) -> int:
    """List schedules."""
    found = call.client.rows(call.client.tenant_path(_PATH), "schedules", call.arguments.limit, count="none")
    call.output.rows(found, LIST, "there is no schedule")
    return 0


def create(call: CommandCall) -> int:
    """Create a schedule."""
    given = call.arguments
    timing: dict[str, Any] = {"type": "once", "runAt": given.at}
    if given.cron is not None:
        timing = {"type": "recurring", "cron": given.cron, "timezone": given.timezone}
    target: dict[str, Any] = {"type": "workflow", "workflowKind": given.workflow}
    if given.task is not None:
        target = {"type": "task", "taskKind": given.task}
    target |= {"queue": given.queue, "metadata": dict(given.metadata or ())}
    target |= {} if given.input is None else {"input": given.input}
    body = {"name": given.name, "scheduleType": timing, "target": target, "enabled": not given.paused}
    body |= {"overlapPolicy": given.overlap, "missedRunPolicy": given.missed}
    answer = call.client.call("POST", call.client.tenant_path(_PATH), body)
    call.output.done(answer, f"{answer['id']} runs next at {moment('nextRunAt')(answer) or 'no time'}")
    return 0


def _changed(verb: str, said: str, call: CommandCall) -> int:
    answer = call.client.call("POST", _path(call, f"/{verb}"))
    call.output.done(answer, f"{answer['name']} {said}")
    return 0


def trigger(call: CommandCall) -> int:
    """Start the target now."""
    answer = call.client.call("POST", _path(call, "/trigger"))
    started = answer["workflowExecutionId"] or answer["taskExecutionId"]
    call.output.done(answer, f"{answer['status']} {started or answer['error'] or ''}")
    return 0


def delete(call: CommandCall) -> int:
    """Delete a schedule."""
    call.client.call("DELETE", _path(call))
    call.output.done({"id": call.arguments.id, "deleted": True}, "deleted")
    return 0


def _path(call: CommandCall, rest: str = "") -> str:
    return call.client.tenant_path(f"{_PATH}/{segment(call.arguments.id)}{rest}")


_ID = ident("schedule")
_OVERLAP, _MISSED = ("allow", "skip", "cancel_previous"), ("skip", "execute_once")
COMMANDS = (
    RestCommand(
        "list",
        "list schedules, newest first",
        list_,
        (option("--limit", type=integer(1, 1_000_000), default=50, metavar="N", help=LIMIT_HELP),),
        ("schedule list",),
    ),
    RestCommand(
        "create",
        "create a schedule that starts a workflow or a standalone task",
        create,
        (
            option("name", metavar="NAME", help="name of the schedule"),
            option("--cron", metavar="LINE", help="a line of five fields, such as '0 8 * * 1-5'", group="when"),
            option("--at", type=moment_option, metavar="TIME", help="once, at this time", group="when"),
            option("--timezone", default="UTC", help="IANA time zone of the cron line (default: %(default)s)"),
            option("--workflow", metavar="KIND", help="kind of the workflow to start", group="target"),
            option("--task", metavar="KIND", help="kind of the task to start", group="target"),
            option("--input", type=document, metavar="JSON", help=JSON_HELP),
            option("--queue", default="default", help="queue of the workers (default: %(default)s)"),
            option("--metadata", type=pair, action="append", metavar="KEY=VALUE", help="metadata; repeatable"),
            option("--overlap", choices=_OVERLAP, default="allow", help="while the last one still runs"),
            option("--missed", choices=_MISSED, default="skip", help="instants at which no server ran"),
            option("--paused", action="store_true", help="create it paused"),
        ),
        ("schedule create invoices --cron '0 8 * * 1-5' --timezone Europe/Vienna --workflow send-invoices",),
    ),
    RestCommand("pause", "pause a schedule", partial(_changed, "pause", "is paused"), (_ID,), ("schedule pause ID",)),
    RestCommand(
        "resume", "resume a schedule", partial(_changed, "resume", "is active"), (_ID,), ("schedule resume ID",)
    ),
    RestCommand("trigger", "start the target of a schedule now", trigger, (_ID,), ("schedule trigger ID",)),
    RestCommand("delete", "delete a schedule; its runs stay", delete, (_ID,), ("schedule delete ID",)),
)

add_arguments = partial(commands.declare, commands=COMMANDS)


def run(edition: Edition, arguments: argparse.Namespace) -> int:
    """Carry out the command."""
    return commands.carry_out(edition, arguments)
