"""Plan, apply and roll back migrations. Without an action: apply pending ones, then exit."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Mapping
from typing import Any

from core.errors import NotFound
from core.migration import CORE
from server.boot.edition import Edition
from server.boot.preparation import Prepared, load_plugins, make_connection, make_migrator
from server.cli.database import prepared
from server.cli.parsers import integer
from server.migrator import inventory
from server.migrator.history import Pending
from server.migrator.proof import Proof
from server.process.signals import exit_on_sigterm

Report = Mapping[str, Any]

_MODES = {
    "transaction": "",
    "outside": ", outside a transaction: what it did before an error stays",
    "batches": ", in batches: each is committed by itself",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.set_defaults(action="apply")
    parser.add_argument("--json", action="store_true", help="print JSON")
    actions = parser.add_subparsers(dest="action", metavar="action")
    for name, text in (
        (
            "plan",
            "list pending migrations, their statements and locks, and tables of plugins that are not in this edition",
        ),
        ("apply", "apply pending migrations; safe to repeat, and by many processes at once"),
        ("status", "list applied and pending migrations"),
        ("rollback", "roll back a plugin's migrations above a version, where they have a '-- down' section"),
        ("purge", "drop all objects that a plugin owns; without --yes only list them"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")
        if name in {"rollback", "purge"}:
            action.add_argument("--plugin", required=True, metavar="NAME")
        if name == "rollback":
            action.add_argument("--to", required=True, type=integer(0, 2**31 - 1), metavar="VERSION", help="0: all")
        if name == "purge":
            action.add_argument("--yes", action="store_true", help="drop them")


def run(edition: Edition, arguments: argparse.Namespace) -> int:
    """Run the action and print its report."""
    exit_on_sigterm(128 + signal.SIGTERM)
    action = {"plan": _plan, "apply": _apply, "status": _status, "rollback": _rollback, "purge": _purge}
    report = asyncio.run(action[arguments.action or "apply"](edition, arguments))
    sys.stdout.write(json.dumps(report, indent=2) + "\n" if arguments.json else _text(report))
    return 0


async def apply(edition: Edition, ready: Prepared) -> list[str]:
    """Apply pending migrations and return their names.

    Raises:
        StartupError: the database cannot be reached, or a migration is refused.
    """
    registry = load_plugins(edition, ready.sources)
    return [str(each) for each in await make_migrator(ready).apply(registry.owners())]


async def _apply(edition: Edition, _arguments: argparse.Namespace) -> Report:
    return {"applied": await apply(edition, prepared(edition))}


async def _plan(edition: Edition, _arguments: argparse.Namespace) -> Report:
    ready = prepared(edition)
    owners = load_plugins(edition, ready.sources).owners()
    migrator = make_migrator(ready)
    plan = await migrator.plan(owners)
    return {
        "pending": [_described(each, migrator.proof(each, owners)) for each in plan.pending],
        "ahead": [f"{row.owner} {row.version:04}" for row in plan.ahead],
        "orphans": await _orphans(edition, ready),
    }


def _described(pending: Pending, proof: Proof) -> Report:
    locks = [{"line": line, "table": table, "mode": mode} for line, table, mode in proof.locks]
    return {
        "migration": str(pending),
        "statements": len(proof.up.statements),
        "runs": proof.up.mode,
        "locks": locks,
    }


async def _orphans(edition: Edition, ready: Prepared) -> list[Report]:
    plugins = [plugin.name for plugin in edition.build_info.plugins]
    async with await make_connection(ready.settings) as connection:
        found = await inventory.objects(connection, plugins, ())
        return [
            {"plugin": each.plugin, "table": each.name, "rows": await inventory.count_rows(connection, each.name)}
            for each in found
            if each.owner == "orphan" and each.kind == "table"
        ]


async def _status(edition: Edition, _arguments: argparse.Namespace) -> Report:
    ready = prepared(edition)
    migrator = make_migrator(ready)
    plan = await migrator.plan(load_plugins(edition, ready.sources).owners())
    return {
        "applied": [f"{row.owner} {row.version:04} {row.description}" for row in await migrator.applied()],
        "pending": [str(each) for each in plan.pending],
        "ahead": [f"{row.owner} {row.version:04}" for row in plan.ahead],
    }


async def _rollback(edition: Edition, arguments: argparse.Namespace) -> Report:
    ready = prepared(edition)
    owners = load_plugins(edition, ready.sources).owners()
    owner = next((each for each in owners if each.name == arguments.plugin and each.name != CORE), None)
    if owner is None:
        raise NotFound(
            f"this edition has no plugin {arguments.plugin!r}; only an edition with the plugin can roll it back"
        )
    undone = await make_migrator(ready).rollback(owner, arguments.to)
    return {"taken_back": [str(each) for each in undone]}


async def _purge(edition: Edition, arguments: argparse.Namespace) -> Report:
    ready = prepared(edition)
    plugins = [plugin.name for plugin in edition.build_info.plugins]
    async with make_migrator(ready).alone(), await make_connection(ready.settings) as connection:
        found = [each for each in await inventory.objects(connection, plugins, ()) if each.plugin == arguments.plugin]
        if not found:
            raise NotFound(f"the database holds nothing of a plugin {arguments.plugin!r}")
        listed = [
            f"{each.kind} {each.name}"
            + (f" ({await inventory.count_rows(connection, each.name)} rows)" if each.kind == "table" else "")
            for each in found
            if each.belongs_to is None
        ]
        if not arguments.yes:
            return {"would_drop_with_yes": listed}
        await inventory.purge(connection, arguments.plugin, found)
        return {"dropped": listed}


def _text(report: Report) -> str:
    """Return a report as text: the headings with entries, or one line when there is none."""
    lines = []
    for heading, entries in report.items():
        if entries:
            lines += [f"{heading.replace('_', ' ')}:", *(f"  {_line(entry)}" for entry in entries)]
    return "\n".join(lines or ["nothing to do: the database is up to date"]) + "\n"


def _line(entry: str | Report) -> str:
    if isinstance(entry, str):
        return entry
    if "rows" in entry:
        return f"{entry['table']} of plugin {entry['plugin']}, which is not in this edition: {entry['rows']} rows"
    locks = "".join(f"\n    line {lock['line']}: {lock['mode']} on {lock['table']}" for lock in entry["locks"])
    return f"{entry['migration']}: {entry['statements']} statements{_MODES[entry['runs']]}{locks}"
