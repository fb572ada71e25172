"""Start, find, follow and steer workflows of a running server."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from functools import partial
from typing import Any

from server.boot.edition import Edition
from server.cli.parsers import integer
from server.cli.remote import commands
from server.cli.remote.client import segment
from server.cli.remote.commands import LIMIT_HELP, CommandCall, RestCommand, ident, option
from server.cli.remote.failures import ENDED_BADLY
from server.cli.remote.following import events_of, followed
from server.cli.remote.inputs import JSON_HELP, document, pair
from server.cli.remote.output import ID, STATUS, Column, Output, moment, number_column, parsed, plain, time_column
from server.cli.remote.timeline import spans, timeline
from server.cli.remote.workflow_filter import FILTER, STATUSES, conditions, workflow_id, workflow_path

LIST = (
    ID,
    Column("KIND", "kind"),
    STATUS,
    Column("QUEUE", "queue"),
    time_column("CREATED", "createdAt"),
    time_column("ENDED", "completedAt"),
    Column("ERROR", lambda row: row["error"] or ""),
)
_TASKS = (
    Column("TASK", "id", is_whole=True),
    Column("KIND", "kind"),
    STATUS,
    number_column("ATTEMPTS", "executionCount"),
    Column("ERROR", lambda row: row["error"] or ""),
)
_PATH = "/workflow-executions"


def start(call: CommandCall) -> int:
    """Start a workflow."""
    given = call.arguments
    body: dict[str, Any] = {"kind": given.kind, "queue": given.queue, "metadata": dict(given.metadata or ())}
    body |= {} if given.input is None else {"input": given.input}
    body |= {} if given.key is None else {"idempotencyKey": given.key}
    answer = call.client.call("POST", call.client.tenant_path(_PATH), body)
    is_old = answer["idempotencyKeyUsed"] and not answer["idempotencyKeyNew"]
    call.output.done(answer, f"{answer['workflowExecutionId']}{' was started before' if is_old else ''}")
    return 0


def list_(call: CommandCall) -> int:
    """List workflows."""
    path, query = call.client.tenant_path(_PATH), conditions(call.arguments)
    found = call.client.rows(path, "workflows", call.arguments.limit, view="summary", count="none", **query)
    call.output.rows(found, LIST, "no workflow matches")
    return 0


def count(call: CommandCall) -> int:
    """Count workflows."""
    path, query = call.client.tenant_path(_PATH), conditions(call.arguments)

    def total(**more: object) -> int:
        answer = call.client.call("GET", path, **{**query, **more}, limit=1, view="summary", count="exact")
        return int(answer["total"])

    if not call.arguments.by_status:
        call.output.done({"count": (counted := total())}, str(counted))
        return 0
    wanted = query.get("status", ",".join(STATUSES)).split(",")
    rows = [{"status": status, "count": total(status=status)} for status in wanted]
    call.output.rows(rows, (STATUS, number_column("COUNT", "count")), "")
    return 0


def show(call: CommandCall) -> int:
    """Show a workflow with its timeline and its tasks."""
    path, output = workflow_path(call), call.output
    workflow = call.client.call("GET", path)
    if output.as_json:
        output.json(workflow)
        return 0
    names = {"id": "id", "kind": "kind", "status": "status", "error": "error", "queue": "queue", "worker": "workerId"}
    names |= {"version": "workflowVersion", "parent": "parentWorkflowExecutionId", "metadata": "metadata"}
    facts = [(name, workflow[key]) for name, key in names.items()]
    times = {"created": "createdAt", "started": "startedAt", "ended": "completedAt"}
    facts += [(name, moment(key)(workflow)) for name, key in times.items()]
    output.facts([*facts, ("input", workflow["input"]), ("output", workflow["output"])])
    events = list(events_of(call.client, path))
    end = datetime.now(UTC) if workflow["completedAt"] is None else parsed(workflow["completedAt"])
    if found := spans(events):
        output.line("")
        for line in timeline(found, parsed(workflow["createdAt"]), end):
            output.line(line)
    tasks = call.client.call("GET", f"{path}/tasks")["tasks"]
    if tasks:
        output.line("")
        output.rows(tasks, _TASKS, "")
    return 0


def history(call: CommandCall) -> int:
    """Print the history."""
    for event in events_of(call.client, workflow_path(call)):
        _print_event(call.output, event)
    return 0


def watch(call: CommandCall) -> int:
    """Print the history as it grows, until the workflow ends."""
    path = workflow_path(call)
    for event in followed(call.client, path):
        _print_event(call.output, event)
    workflow = call.client.call("GET", path)
    if not call.output.as_json:
        told = workflow["error"] if workflow["status"] != "COMPLETED" else plain(workflow["output"])
        call.output.line(f"{workflow['status']}  {plain(told)}")
    return 0 if workflow["status"] == "COMPLETED" else ENDED_BADLY


def signal(call: CommandCall) -> int:
    """Send a signal."""
    body: dict[str, Any] = {"signalName": call.arguments.name}
    body |= {} if call.arguments.value is None else {"signalValue": call.arguments.value}
    answer = call.client.call("POST", workflow_path(call, "/signal"), body)
    call.output.done(answer, f"delivered as event {answer['signal_event_sequence']}")
    return 0


def cancel(call: CommandCall) -> int:
    """Cancel a workflow and its children."""
    _end(call, "/cancel")
    return 0


def terminate(call: CommandCall) -> int:
    """End a workflow without waiting for its worker."""
    _end(call, "/terminate")
    return 0


def delete(call: CommandCall) -> int:
    """Delete an ended workflow."""
    ident = workflow_id(call)
    call.client.call("DELETE", call.client.tenant_path(f"/workflow-executions/{segment(ident)}"))
    call.output.done({"id": ident}, "deleted")
    return 0


def _end(call: CommandCall, verb: str) -> None:
    body: dict[str, Any] = {"cascadeToChildren": not call.arguments.without_children}
    body |= {} if call.arguments.reason is None else {"reason": call.arguments.reason}
    answer = call.client.call("POST", workflow_path(call, verb), body)
    sentence = {"CANCELLING": "CANCELLING: it ends when its worker submits", "ALREADY_TERMINAL": "it had ended before"}
    children = f", with {len(answer['cancelledChildren'])} children" if answer["cancelledChildren"] else ""
    call.output.done(answer, sentence.get(answer["status"], "CANCELLED") + children)


def retry(call: CommandCall) -> int:
    """Retry a failed workflow."""
    body = {} if call.arguments.note is None else {"note": call.arguments.note}
    answer = call.client.call("POST", workflow_path(call, "/retry"), body)
    call.output.done(answer, answer["message"])
    return 0


def _print_event(output: Output, event: dict[str, Any]) -> None:
    if output.as_json:
        output.json(event)
        return
    at = parsed(event["timestamp"]).astimezone().strftime("%H:%M:%S.%f")[:-3]
    replaced = " (superseded)" if event["superseded"] else ""
    data = plain(event["data"])
    output.line(f"{event['sequence']:>5}  {at}  {event['eventType']:<26}{replaced}  {data}")


_ID = ident("workflow, or its beginning")
_START = (
    option("kind", metavar="KIND", help="kind of the workflow"),
    option("--input", type=document, metavar="JSON", help=JSON_HELP),
    option("--queue", default="default", help="queue of the workers (default: %(default)s)"),
    option("--key", metavar="TEXT", help="idempotency key: sent again, it starts nothing new"),
    option("--metadata", type=pair, action="append", metavar="KEY=VALUE", help="metadata; repeatable"),
)
_ENDS = (
    option("--reason", help="stored as the error of the workflow"),
    option("--without-children", action="store_true", help="let its children go on"),
)
_LIMIT = option("--limit", type=integer(1, 1_000_000), default=50, metavar="N", help=LIMIT_HELP)

COMMANDS = (
    RestCommand(
        "start",
        "start a workflow and print its id",
        start,
        _START,
        (
            'workflow start order --input \'{"item": "book"}\'',
            "workflow start order --input @order.json --key order-17",
        ),
    ),
    RestCommand(
        "list",
        "list workflows, newest first",
        list_,
        (*FILTER, _LIMIT),
        ("workflow list --status FAILED --created-from 2h", "workflow list --error 'card refused' --json | jq .id"),
    ),
    RestCommand("show", "show a workflow with its timeline and its tasks", show, (_ID,), ("workflow show 67ab864d",)),
    RestCommand("history", "print all events of a workflow", history, (_ID,), ("workflow history 67ab864d --json",)),
    RestCommand(
        "watch",
        "print the events of a workflow as they come, until it ends",
        watch,
        (_ID,),
        ("workflow watch 67ab864d",),
    ),
    RestCommand(
        "signal",
        "send a signal to a workflow",
        signal,
        (
            _ID,
            option("name", metavar="NAME", help="name of the signal"),
            option("--value", type=document, metavar="JSON", help=JSON_HELP),
        ),
        ("workflow signal 67ab864d address --value '\"Main Street 1\"'",),
    ),
    RestCommand(
        "cancel",
        "cancel a workflow and its children; a worker that has it may clear up",
        cancel,
        (_ID, *_ENDS),
        ("workflow cancel 67ab864d --reason 'ordered twice'",),
    ),
    RestCommand(
        "terminate",
        "end a workflow at once, as cancelled, whatever its worker does; its children are cancelled",
        terminate,
        (_ID, *_ENDS),
        ("workflow terminate 67ab864d --reason 'its worker hangs'",),
    ),
    RestCommand(
        "delete",
        "delete an ended workflow with its history and its tasks",
        delete,
        (_ID,),
        ("workflow delete 67ab864d",),
    ),
    RestCommand(
        "retry",
        "retry a failed workflow from its last good event",
        retry,
        (_ID, option("--note", help="stored in the audit events of the workflow")),
        ("workflow retry 67ab864d --note 'the card reader works again'",),
    ),
    RestCommand(
        "count",
        "count workflows",
        count,
        (*FILTER, option("--by-status", action="store_true", help="one line for each status")),
        ("workflow count --by-status --kind order",),
    ),
)

add_arguments = partial(commands.declare, commands=COMMANDS)


def run(edition: Edition, arguments: argparse.Namespace) -> int:
    """Carry out the command."""
    return commands.carry_out(edition, arguments)
