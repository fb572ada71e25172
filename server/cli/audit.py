"""Read, verify and export the audit log of a running server (plugin audit_log)."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from server.boot.edition import Edition
from server.cli.parsers import integer
from server.cli.remote import commands
from server.cli.remote.commands import LIMIT_HELP, CommandCall, Option, RestCommand, option
from server.cli.remote.failures import ENDED_BADLY
from server.cli.remote.inputs import TIME_HELP, moment
from server.cli.remote.output import Column, number_column, time_column

_PATH = "/api/v1/p/audit-log"
_VERIFIED = 100_000

LIST = (
    number_column("NUMBER", "sequence"),
    time_column("AT", "at"),
    Column("WHO", "principalId"),
    Column("ACTION", "action"),
    Column("RESOURCE", "resource"),
    Column("ID", "resourceId"),
    Column("CODE", "code"),
    Column("OPERATION", "operation"),
)

_CHAIN = option(
    "--chain", choices=("own", "refusals"), default="own", help="refusals: of unknown callers; for operators"
)
_FILTER: tuple[Option, ...] = (
    _CHAIN,
    option("--from", type=moment, metavar="TIME", help=f"at or after: {TIME_HELP}"),
    option("--to", type=moment, metavar="TIME", help="before"),
    option("--principal", metavar="ID", help="calls of this caller"),
    option("--action", metavar="ACTION", help="such as CREATE or UPDATE", dest="event_action"),
    option("--resource", metavar="KIND", help="such as workflow-execution"),
    option("--resource-id", metavar="ID", help="calls about this thing"),
    option("--operation", metavar="TEXT", help="the route or method"),
    option("--code", metavar="CODE", help="ok, the code of an error, or unknown"),
)
_NAMES = {"from": "from", "to": "to", "principal": "principal", "event_action": "action", "resource": "resource"}
_NAMES |= {"resource_id": "resourceId", "operation": "operation", "code": "code", "chain": "chain"}


def list_(call: CommandCall) -> int:
    """List events."""
    found = call.client.rows(f"{_PATH}/events", "events", call.arguments.limit, **_query(call))
    call.output.rows(found, LIST, "no event matches")
    return 0


def verify(call: CommandCall) -> int:
    """Verify the chain."""
    chain, start, first = call.arguments.chain, None, None
    while True:
        verdict = call.client.call("POST", f"{_PATH}/verify", {"start": start, "limit": _VERIFIED}, chain=chain)
        first = verdict["first"] if first is None else first
        if verdict["complete"] or not verdict["ok"]:
            break
        start = verdict["verifiedTo"] + 1
    told = f"the chain is whole, from event {first} to {verdict['verifiedTo']}, head {verdict['head']['hash']}"
    if not verdict["ok"]:
        told = f"the chain is damaged at event {verdict['brokenAt']}: {verdict['problem']}"
    call.output.done({**verdict, "first": first}, told)
    return 0 if verdict["ok"] else ENDED_BADLY


def export(call: CommandCall) -> int:
    """Export events."""
    for line in call.client.lines(f"{_PATH}/events/export", format=call.arguments.format, **_query(call)):
        call.output.copied(line)
    return 0


def _query(call: CommandCall) -> dict[str, Any]:
    found = {name: getattr(call.arguments, key) for key, name in _NAMES.items()}
    return {name: value for name, value in found.items() if value is not None}


COMMANDS = (
    RestCommand(
        "list",
        "list events of the audit log, newest first",
        list_,
        (*_FILTER, option("--limit", type=integer(1, 1_000_000), default=50, metavar="N", help=LIMIT_HELP)),
        ("audit list --from 1d --resource workflow-execution",),
    ),
    RestCommand("verify", "verify the chain of hashes, from its beginning", verify, (_CHAIN,), ("audit verify",)),
    RestCommand(
        "export",
        "write all events, oldest first",
        export,
        (*_FILTER, option("--format", choices=("ndjson", "csv"), default="ndjson", help="form (default: %(default)s)")),
        ("audit export --format csv --from 30d > audit.csv",),
    ),
)

add_arguments = partial(commands.declare, commands=COMMANDS)


def run(edition: Edition, arguments: argparse.Namespace) -> int:
    """Carry out the command."""
    return commands.carry_out(edition, arguments)
