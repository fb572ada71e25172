"""List the workers of a running server."""

from __future__ import annotations

import argparse
from functools import partial

from server.boot.edition import Edition
from server.cli.parsers import integer
from server.cli.remote import commands
from server.cli.remote.commands import LIMIT_HELP, CommandCall, RestCommand, option
from server.cli.remote.output import STATUS, Column, time_column

LIST = (
    Column("NAME", "workerName"),
    STATUS,
    Column("TYPE", "workerType"),
    Column("VERSION", "workerVersion"),
    Column("HOST", "hostName"),
    time_column("SEEN", "lastHeartbeatAt"),
    Column("WORKFLOWS", lambda row: ", ".join(row["workflows"])),
    Column("TASKS", lambda row: ", ".join(row["tasks"])),
)
_PAGE = 100


def list_(call: CommandCall) -> int:
    """List workers."""
    path, most = call.client.tenant_path("/workers"), call.arguments.limit
    found: list[dict[str, object]] = []
    while len(found) < most:
        query = {"type": call.arguments.type, "limit": min(_PAGE, most - len(found)), "offset": len(found)}
        page = call.client.call("GET", path, **query)["workers"]
        found += page
        if len(page) < _PAGE:
            break
    call.output.rows(found, LIST, "no worker has registered")
    return 0


COMMANDS = (
    RestCommand(
        "list",
        "list workers by name, with what they work on",
        list_,
        (
            option("--type", type=str.upper, choices=("WORKFLOW", "TASK", "UNIFIED"), help="workers of this type"),
            option("--limit", type=integer(1, 10_000), default=100, metavar="N", help=LIMIT_HELP),
        ),
        ("worker list --type task",),
    ),
)

add_arguments = partial(commands.declare, commands=COMMANDS)


def run(edition: Edition, arguments: argparse.Namespace) -> int:
    """Carry out the command."""
    return commands.carry_out(edition, arguments)
