"""List every object of the database with its owner: core, a plugin, an orphan, or unknown."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import asdict

from core.migration import CORE
from server.boot.edition import Edition
from server.boot.preparation import impatient, load_plugins, make_connection
from server.cli.database import prepared
from server.migrator import inventory, linter


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(edition: Edition, arguments: argparse.Namespace) -> int:
    """Print the objects."""
    found = asyncio.run(_objects(edition))
    if arguments.json:
        sys.stdout.write(json.dumps([asdict(each) for each in found], indent=2) + "\n")
        return 0
    for each in sorted(found, key=lambda each: (each.owner, each.plugin or "", each.kind, each.name)):
        whose = f"{each.owner} {each.plugin}" if each.plugin else each.owner
        sys.stdout.write(f"{whose:<24} {each.kind:<18} {each.name}\n")
    return 0


async def _objects(edition: Edition) -> list[inventory.OwnedObject]:
    ready = impatient(prepared(edition))
    owners = load_plugins(edition, ready.sources).owners()
    core = next(owner for owner in owners if owner.name == CORE)
    core_names = edition.core_names or linter.core_names(migration.sql for migration in core.migrations)
    plugins = [owner.name for owner in owners if owner.name != CORE]
    async with await make_connection(ready.settings) as connection:
        return await inventory.objects(connection, plugins, core_names)
