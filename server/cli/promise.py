"""List, resolve and reject promises of a running server."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from server.boot.edition import Edition
from server.cli.parsers import integer
from server.cli.remote import commands
from server.cli.remote.client import segment
from server.cli.remote.commands import LIMIT_HELP, CommandCall, RestCommand, option
from server.cli.remote.inputs import JSON_HELP, document
from server.cli.remote.output import ID, STATUS, Column, time_column

LIST = (
    ID,
    Column("NAME", "name"),
    STATUS,
    Column("WORKFLOW", "workflowExecutionId", is_whole=True),
    time_column("CREATED", "createdAt"),
    time_column("TIMEOUT", "timeoutAt"),
)


def list_(call: CommandCall) -> int:
    """List promises."""
    given = call.arguments
    query = {"workflowExecutionId": given.workflow, "name": given.name, "count": "none"}
    found = call.client.rows(call.client.tenant_path("/promises"), "promises", given.limit, **query)
    call.output.rows(found, LIST, "no promise is pending" if given.workflow is None else "the workflow has no promise")
    return 0


def resolve(call: CommandCall) -> int:
    """Resolve a promise."""
    given = call.arguments
    return _settle(call, "resolve", {} if given.value is None else {"value": given.value})


def reject(call: CommandCall) -> int:
    """Reject a promise."""
    return _settle(call, "reject", {"error": call.arguments.error})


def _settle(call: CommandCall, verb: str, body: dict[str, Any]) -> int:
    answer = call.client.call("POST", call.client.tenant_path(f"/promises/{segment(call.arguments.id)}/{verb}"), body)
    said = "the promise was settled before; nothing has changed" if answer["alreadyResolved"] else f"{verb}d"
    call.output.done(answer, said.replace("rejectd", "rejected"))
    return 0


_PROMISE = option("id", metavar="PROMISE", help="its id, or key:TEXT with its idempotency key")
COMMANDS = (
    RestCommand(
        "list",
        "list pending promises, or all promises of a workflow, newest first",
        list_,
        (
            option("--workflow", metavar="ID", help="promises of this workflow, settled ones, too"),
            option("--name", help="promises of this name"),
            option("--limit", type=integer(1, 1_000_000), default=50, metavar="N", help=LIMIT_HELP),
        ),
        ("promise list --name approval",),
    ),
    RestCommand(
        "resolve",
        "resolve a promise",
        resolve,
        (_PROMISE, option("--value", type=document, metavar="JSON", help=JSON_HELP)),
        ("promise resolve key:approval-17 --value true",),
    ),
    RestCommand(
        "reject",
        "reject a promise",
        reject,
        (_PROMISE, option("error", metavar="ERROR", help="the error that the workflow gets")),
        ("promise reject key:approval-17 'not this year'",),
    ),
)

add_arguments = partial(commands.declare, commands=COMMANDS)


def run(edition: Edition, arguments: argparse.Namespace) -> int:
    """Carry out the command."""
    return commands.carry_out(edition, arguments)
