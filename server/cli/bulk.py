"""Change all workflows of a running server that match a filter."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

from server.boot.edition import Edition
from server.cli.remote import commands
from server.cli.remote.commands import CommandCall, Option, RestCommand, option
from server.cli.remote.inputs import JSON_HELP, document
from server.cli.remote.output import ID, STATUS, Column, time_column
from server.cli.remote.workflow_filter import FILTER, conditions

_FIRST = (ID, Column("KIND", "kind"), STATUS, time_column("CREATED", "createdAt"))
_DONE = {
    "cancel": "cancelled",
    "terminate": "terminated",
    "signal": "signalled",
    "retry": "retried",
    "delete": "deleted",
}


def change(action: str, call: CommandCall) -> int:
    """Show what matches; with ``--yes``, change it, a batch at a time."""
    body = {"filter": _filter(call), **_fields(call.arguments)}
    path = call.client.tenant_path(f"/workflow-executions/bulk/{action}")
    if call.arguments.yes:
        return _changed(call, path, body, _DONE[action])
    found = call.client.call("POST", path, {**body, "dryRun": True})
    if call.output.as_json:
        call.output.json(found)
        return 0
    more = "" if found["matchedIsExact"] else " or more"
    call.output.rows(found["first"], _FIRST, "no workflow matches")
    if found["matched"]:
        call.output.line(f"{found['matched']}{more} match; with --yes they are {_DONE[action]}")
    return 0


def _changed(call: CommandCall, path: str, body: dict[str, Any], done: str) -> int:
    changed = skipped = 0
    for batch in _batches(call, path, body):
        changed, skipped = changed + batch["changed"], skipped + batch["skipped"]
        if not call.output.as_json and batch["nextCursor"] is not None:
            sys.stderr.write(f"{changed} {done} so far\n")
    left = f"; {skipped} had changed meanwhile and were left alone" if skipped else ""
    call.output.done({"changed": changed, "skipped": skipped}, f"{changed} {done}{left}")
    return 0


def _batches(call: CommandCall, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    cursor: object = None
    while True:
        batch: dict[str, Any] = call.client.call("POST", path, {**body, "cursor": cursor})
        yield batch
        cursor = batch["nextCursor"]
        if cursor is None:
            return


def _filter(call: CommandCall) -> dict[str, Any]:
    """Return the filter as the body has it: the statuses as a list."""
    found = conditions(call.arguments)
    return {**found, "status": found["status"].split(",")} if "status" in found else found


def _fields(arguments: argparse.Namespace) -> dict[str, Any]:
    names = {"reason": "reason", "note": "note", "name": "signalName", "value": "signalValue"}
    fields = {member: getattr(arguments, name, None) for name, member in names.items()}
    if getattr(arguments, "without_children", False):
        fields["cascadeToChildren"] = False
    return {name: value for name, value in fields.items() if value is not None}


_YES = option("--yes", action="store_true", help="do it; without this, the command counts and shows what matches")
_ENDS: tuple[Option, ...] = (
    option("--reason", help="stored as the error of the workflows"),
    option("--without-children", action="store_true", help="let their children go on"),
)
_SIGNAL: tuple[Option, ...] = (
    option("name", metavar="NAME", help="name of the signal"),
    option("--value", type=document, metavar="JSON", help=JSON_HELP),
)
_NOTE = (option("--note", help="stored in the audit events of the workflows"),)


def _command(action: str, text: str, options: tuple[Option, ...], example: str) -> RestCommand:
    return RestCommand(action, text, partial(change, action), (*options, *FILTER, _YES), (example, f"{example} --yes"))


COMMANDS = (
    _command("cancel", "cancel all open workflows that match, with their children", _ENDS, "bulk cancel --kind order"),
    _command(
        "terminate",
        "end all open workflows that match at once, whatever their workers do",
        _ENDS,
        "bulk terminate --worker payments-1 --status RUNNING",
    ),
    _command("signal", "send a signal to all open workflows that match", _SIGNAL, "bulk signal wake-up --kind order"),
    _command("retry", "retry all failed workflows that match", _NOTE, "bulk retry --error 'card refused'"),
    _command("delete", "delete all ended workflows that match", (), "bulk delete --status FAILED --ended-to 30d"),
)

add_arguments = partial(commands.declare, commands=COMMANDS)


def run(edition: Edition, arguments: argparse.Namespace) -> int:
    """Carry out the command."""
    return commands.carry_out(edition, arguments)
