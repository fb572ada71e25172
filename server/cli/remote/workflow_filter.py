"""The options that say which workflows are meant, and the one that is named by an id or its beginning."""

from __future__ import annotations

import argparse
import json
import re
from typing import Any
from uuid import UUID

from server.cli.remote.client import Client, segment
from server.cli.remote.commands import CommandCall, Option, option
from server.cli.remote.failures import NOT_FOUND, CommandFailed
from server.cli.remote.inputs import TIME_HELP, moment, pair, words
from server.cli.remote.output import plain

STATUSES = ("PENDING", "RUNNING", "WAITING", "CANCELLING", "COMPLETED", "FAILED", "CANCELLED")

FILTER: tuple[Option, ...] = (
    option("--status", type=words(STATUSES), metavar="STATUS[,…]", help=f"one or several of {', '.join(STATUSES)}"),
    option("--kind", help="workflows of this kind"),
    option("--queue", help="workflows of this queue"),
    option("--created-from", type=moment, metavar="TIME", help=f"created at or after: {TIME_HELP}"),
    option("--created-to", type=moment, metavar="TIME", help="created before"),
    option("--ended-from", type=moment, metavar="TIME", help="ended at or after"),
    option("--ended-to", type=moment, metavar="TIME", help="ended before"),
    option("--id-prefix", metavar="TEXT", help="the id begins with this"),
    option("--parent", metavar="ID", help="children of this workflow"),
    option("--root", metavar="ID", help="this workflow and all its descendants"),
    option("--worker", metavar="ID", help="the worker that had the workflow last"),
    option("--metadata", type=pair, action="append", metavar="KEY=VALUE", help="the metadata holds this; repeatable"),
    option("--error", metavar="WORDS", help="words of the error, in any order"),
    option("--failing-tasks", action="store_true", help="an open task failed in its last attempt"),
)

_BEGINNING = re.compile(r"[0-9A-Fa-f-]{1,36}")
_BY_OPTION = {
    "status": "status",
    "kind": "kind",
    "queue": "queue",
    "created_from": "createdFrom",
    "created_to": "createdTo",
    "ended_from": "endedFrom",
    "ended_to": "endedTo",
    "id_prefix": "idPrefix",
    "parent": "parentId",
    "root": "rootId",
    "worker": "workerId",
    "error": "error",
}


def conditions(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the filter as the query of a list."""
    query = {name: getattr(arguments, key) for key, name in _BY_OPTION.items()}
    if arguments.metadata:
        query["metadata"] = json.dumps(dict(arguments.metadata))
    if arguments.failing_tasks:
        query["failingTasks"] = True
    return {name: value for name, value in query.items() if value is not None}


def workflow_id(call: CommandCall) -> str:
    """Return the whole id of the workflow that the arguments name by it, or by its beginning.

    Raises:
        CommandFailed: none, or more than one, has that beginning.
    """
    text: str = call.arguments.id
    try:
        return str(UUID(text))
    except ValueError:
        return _of_prefix(call.client, text)


def workflow_path(call: CommandCall, rest: str = "") -> str:
    """Return the path of the workflow that the arguments name."""
    return call.client.tenant_path(f"/workflow-executions/{segment(workflow_id(call))}{rest}")


def _of_prefix(client: Client, prefix: str) -> str:
    if not _BEGINNING.fullmatch(prefix):
        raise CommandFailed(f"{plain(prefix)} is no id of a workflow, nor the beginning of one", NOT_FOUND)
    path = client.tenant_path("/workflow-executions")
    found = client.call("GET", path, idPrefix=prefix, view="summary", count="none", limit=2)["workflows"]
    if len(found) > 1:
        raise CommandFailed(f"several workflows have ids that begin with {prefix}; write more of it")
    if not found:
        raise CommandFailed(f"there is no workflow whose id begins with {prefix}", NOT_FOUND)
    return str(found[0]["id"])
