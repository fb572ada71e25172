"""List the queues of a running server that have work."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from server.boot.edition import Edition
from server.cli.remote import commands
from server.cli.remote.commands import CommandCall, RestCommand, option
from server.cli.remote.output import Column, Row, number_column, plain

_TYPES = ("WORKFLOW", "TASK", "AGENT")


def _pending(row: Row) -> str:
    return f"{row['pending']}{'' if row['pendingIsExact'] else '+'}"


def _oldest(row: Row) -> Any:
    seconds = row["oldestPendingSeconds"]
    return None if seconds is None else f"{float(plain(seconds)):.0f} s"


LIST = (
    Column("QUEUE", "name"),
    Column("TYPE", "type", is_whole=True),
    Column("PENDING", _pending, to_the_right=True, is_whole=True),
    Column("OLDEST", _oldest, to_the_right=True, is_whole=True),
    number_column("RUNNING", "running"),
    number_column("BUSY", "busyWorkers"),
    number_column("ONLINE", "onlineWorkers"),
)


def list_(call: CommandCall) -> int:
    """List queues."""
    found = call.client.call("GET", call.client.tenant_path("/queues"))["queues"]
    wanted = [each for each in found if call.arguments.type in (None, each["type"])]
    call.output.rows(wanted, LIST, "no queue has work")
    return 0


COMMANDS = (
    RestCommand(
        "list",
        "list queues with pending or running work, the age of the oldest, and their workers",
        list_,
        (option("--type", type=str.upper, choices=_TYPES, help="queues of this type of work"),),
        ("queue list", "queue list --type task"),
    ),
)

add_arguments = partial(commands.declare, commands=COMMANDS)


def run(edition: Edition, arguments: argparse.Namespace) -> int:
    """Carry out the command."""
    return commands.carry_out(edition, arguments)
